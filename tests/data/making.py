"""Small made-up sets for these tests."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from PIL import Image


def png(value: int, size: int = 8) -> bytes:
    """A plain square of one grey."""
    out = io.BytesIO()
    Image.fromarray(np.full((size, size, 3), value, np.uint8)).save(out, "PNG")
    return out.getvalue()


def folder_of(root: Path, names: list[str], size: int = 8) -> Path:
    """A folder of images whose grey is their place in `names`."""
    for value, name in enumerate(names):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(png(value % 256, size))
    return root


def seen(samples: object) -> dict[str, int]:
    """The grey of each sample by id."""
    return {sample.id: int(sample.image[0, 0, 0]) for sample in samples}  # type: ignore[attr-defined]
