"""The package that `bfrbench plugins new` writes: it installs, runs and passes its conformance test as it stands."""

from __future__ import annotations

import re
from importlib.resources import files
from pathlib import Path

from bfrbench import atomic
from bfrbench.errors import UsageError

_NAME = re.compile(r"[a-z][a-z0-9]*(?:-[a-z0-9]+)*")
_FILES = {
    "pyproject.toml": "pyproject.toml.txt",
    "README.md": "README.md.txt",
    "src/{module}/__init__.py": "init.py.txt",
    "src/{module}/plugin.py": "plugin.py.txt",
    "src/{module}/restorer.py": "restorer.py.txt",
    "tests/test_conformance.py": "test_conformance.py.txt",
}


def write_plugin(name: str, into: Path) -> Path:
    """Write the package folder `into/bfrbench-NAME` and give its path."""
    if not _NAME.fullmatch(name):
        raise UsageError(f"{name!r} cannot name a plugin", "use lower-case words joined by '-', such as my-restorer")
    root = into / f"bfrbench-{name}"
    if root.exists():
        raise UsageError(f"{root} exists already", "choose another name or another folder with --into")
    words = {
        "{{name}}": name,
        "{{module}}": "bfrbench_" + name.replace("-", "_"),
        "{{class}}": "".join(word.capitalize() for word in name.split("-")),
    }
    templates = files("bfrbench.cli").joinpath("skeleton_files")
    for target, source in _FILES.items():
        text = templates.joinpath(source).read_text(encoding="utf-8")
        for word, value in words.items():
            text = text.replace(word, value)
        atomic.write_text(root / target.format(module=words["{{module}}"]), text)
    return root
