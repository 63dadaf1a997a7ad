"""Lists the images of a folder by id: their path below it, without its ending."""

from __future__ import annotations

import os
from pathlib import Path

from bfrbench.errors import InputError

ENDINGS = frozenset({".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff"})


def image_files(root: Path) -> dict[str, Path]:
    """Every image below `root`, sorted by id; two files with one id are an error that names both."""
    if not root.is_dir():
        raise InputError(f"{root} is not a folder", "give a folder of images")
    found: dict[str, Path] = {}
    for folder, inside, names in os.walk(root):
        inside.sort()
        for name in sorted(names):
            path = Path(folder, name)
            if path.suffix.lower() not in ENDINGS or name.startswith("."):
                continue
            image_id = path.relative_to(root).with_suffix("").as_posix()
            if image_id in found:
                raise InputError(f"{found[image_id]} and {path} have the same id {image_id!r}", "rename one of them")
            found[image_id] = path
    if not found:
        raise InputError(f"{root} holds no images ({', '.join(sorted(ENDINGS))})", "give a folder of images")
    return dict(sorted(found.items()))
