"""Where things are: the user's folder, and the cards and boards that travel with the package.

In a checkout the top-level folders `datasets/` and `leaderboards/` are read as they stand; in an installed
wheel the same files lie in `bfrbench/carried/`. Nothing else in the project looks for them.
"""

from __future__ import annotations

import os
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def home() -> Path:
    """The user's folder for weights, prepared sets and reference statistics (`BFRBENCH_HOME`)."""
    if chosen := os.environ.get("BFRBENCH_HOME"):
        return Path(chosen).expanduser().absolute()
    import platformdirs

    return platformdirs.user_data_path("bfrbench", appauthor=False)


def checkout() -> Path | None:
    """The root of the checkout that this package runs from, if it runs from one."""
    root = _PACKAGE.parent
    return root if (root / "pyproject.toml").is_file() and (root / "leaderboards").is_dir() else None


def carried(folder: str) -> Path:
    """A top-level data folder (`datasets` or `leaderboards`): the checkout's own, else the carried copy."""
    root = checkout()
    return root / folder if root else _PACKAGE / "carried" / folder


def offline() -> bool:
    """Whether the user forbade every download (`BFRBENCH_OFFLINE`)."""
    return os.environ.get("BFRBENCH_OFFLINE", "").lower() not in ("", "0", "false", "no")
