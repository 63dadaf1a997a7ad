"""What results depend on besides the board: versions, the commit, and the digest of every weight file."""

from __future__ import annotations

import os
import subprocess
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

import bfrbench
from bfrbench import digests, places
from bfrbench.digests import Digest

if TYPE_CHECKING:
    from bfrbench.plugins import PluginHost
    from bfrbench.specs import RestorerSpec

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


def weights_of(spec: RestorerSpec, argument: str | None) -> dict[str, Digest]:
    """The digest of the file or folder of a restorer's argument, else of each weight card that it names."""
    if argument:
        path = Path(argument)
        if not path.exists():
            return {}
        return {"argument": digests.of_file(path) if path.is_file() else _of_folder(path)}
    if not spec.weights:
        return {}
    from bfrbench.weights import WeightStore

    store = WeightStore()
    return {name: store.digest(name) for name in spec.weights}


def _of_folder(folder: Path) -> Digest:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return digests.of_data([[path.relative_to(folder).as_posix(), digests.of_file(path)] for path in files])
