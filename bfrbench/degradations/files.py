"""The images of a folder by id, as data sets know them: a set that is made here is the one that boards see."""

from __future__ import annotations

import os
from pathlib import Path

from bfrbench.data.card import Ids
from bfrbench.data.listing import listed, walk
from bfrbench.errors import InputError

CHOICES = "degradation.json"
"""Says what a folder of low-quality images was made with."""
TARGETS = "targets"
"""In such a folder, the targets where a recipe changes them."""


def image_files(root: Path, ids: Ids = "stem") -> dict[str, Path]:
    """Every image below `root`, sorted by id; two files with one id are an error that names both."""
    if not root.is_dir():
        raise InputError(f"{root} is not a folder", "give a folder of images")
    files = walk(root, ids)
    if (root / CHOICES).is_file():
        files = (file for file in files if not file.locator.startswith(f"{root / TARGETS}{os.sep}"))
    return {file.id: Path(file.locator) for file in listed(files, str(root), ids)}
