"""What results depend on besides the board: versions, the commit, and the digest of every weight file."""

from __future__ import annotations

import os
import subprocess
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

import bfrbench
from bfrbench import places

if TYPE_CHECKING:
    from bfrbench.plugins import PluginHost

LIBRARIES = (
    "torch",
    "torchvision",
    "numpy",
    "scipy",
    "pillow",
    "opencv-python-headless",
    "pyiqa",
    "lpips",
    "facexlib",
    "insightface",
    "torch-fidelity",
    "onnxruntime",
    "spandrel",
)


@cache
def versions() -> dict[str, str]:
    """Of Python, bfrbench and every library that touches a pixel or a number."""
    import platform

    found = {"python": platform.python_version(), "bfrbench": bfrbench.__version__}
    for name in LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def commit() -> str | None:
    """The commit of the checkout that bfrbench runs from, with `+changes` when files differ from it."""
    root = places.checkout()
    if root is None or not (root / ".git").exists():
        return None
    try:
        head = _git(root, "rev-parse", "HEAD")
        changed = _git(root, "status", "--porcelain", "--untracked-files=no")
    except (OSError, subprocess.SubprocessError):
        return None
    return f"{head}+changes" if changed else head


def _git(root: Path, *words: str) -> str:
    command = ["git", "-C", str(root), *words]
    environment = {**os.environ, "GIT_OPTIONAL_LOCKS": "0"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=20, check=True)
    return done.stdout.strip()


def package_of(plugin: str, host: PluginHost) -> tuple[str, str]:
    """The distribution, and its version, that a plugin came with; empty for an object of the caller's own."""
    found = host.plugins.get(plugin)
    return (found.distribution, found.version) if found is not None else ("", "")
