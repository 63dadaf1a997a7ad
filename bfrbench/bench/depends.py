"""What a restorer's answer is known to depend on, as digests: files, weights, and code that no version stands for.

Two runs go on in one folder, and a finished one is handed out again, only where these are equal.
"""

from __future__ import annotations

import contextlib
import importlib.util
import inspect
import shlex
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from bfrbench import digests
from bfrbench.digests import Digest
from bfrbench.restorers.loading import LoadedRestorer
from bfrbench.specs import RestorerSpec

_OURS = "bfrbench"
"""The distribution whose version and commit the scorecard holds anyway."""


def on(spec: RestorerSpec, argument: str | None, package: str, loaded: LoadedRestorer | None) -> dict[str, Digest]:
    """Everything by name: the argument's files, else the weight cards; the code of a stranger; an object's state."""
    found = _of_argument(argument) if argument else _of_cards(spec)
    if loaded is not None and not loaded.plugin:
        return found | _of_object(loaded.restorer)
    if package != _OURS and (code := _of_package(spec)):
        found["code"] = code
    return found


def _of_argument(argument: str) -> dict[str, Digest]:
    """A file or folder; of a command line the files that it names."""
    path = Path(argument)
    if path.is_dir():
        return {"argument": _of_files(path, path.rglob("*"))}
    if path.is_file():
        card = path.with_name(f"{path.name}.toml")
        return {"argument": digests.of_file(path)} | ({"card": digests.of_file(card)} if card.is_file() else {})
    try:
        words = shlex.split(argument)
    except ValueError:  # no command line
        return {}
    return {word: digests.of_file(Path(word)) for word in words if Path(word).is_file()}


def _of_cards(spec: RestorerSpec) -> dict[str, Digest]:
    if not spec.weights:
        return {}
    from bfrbench.weights import WeightStore

    store = WeightStore()
    return {name: store.digest(name) for name in spec.weights}


def _of_package(spec: RestorerSpec) -> Digest | None:
    """Every Python file of the package that the restorer comes in, which may be a checkout that is being edited."""
    name = spec.target.partition(":")[0].partition(".")[0]
    try:
        found = importlib.util.find_spec(name)
    except (ImportError, ValueError):
        return None
    if found is None or found.origin is None:
        return None
    path = Path(found.origin)
    if not found.submodule_search_locations:
        return digests.of_file(path) if path.is_file() else None
    return _of_files(path.parent, path.parent.rglob("*.py"))


def _of_object(restorer: object) -> dict[str, Digest]:
    """The source of its class, and the networks, tensors, numbers and words that it holds; lists and tables, in which
    objects keep notes of what they did, do not count."""
    held = {name: _plain(value) for name, value in vars(restorer).items()} if hasattr(restorer, "__dict__") else {}
    state = _plain(restorer)
    found = {"state": digests.of_data([held, state])}
    with contextlib.suppress(OSError, TypeError):  # typed into an interpreter
        found["code"] = digests.of_bytes(inspect.getsource(type(restorer)).encode())
    return found


def _plain(value: Any) -> Any:
    """A value as data that has a digest; what is nothing of the kind counts by its type."""
    if value is None or isinstance(value, (str, int, bool)):
        return value
    if isinstance(value, float):
        return repr(value)
    if callable(state := getattr(value, "state_dict", None)):
        return [[str(name), _plain(each)] for name, each in state().items()]
    if callable(detach := getattr(value, "detach", None)):  # a tensor; NumPy has no bfloat16
        value = detach().cpu()
        value = (value.float() if value.is_floating_point() else value).numpy()
    if hasattr(value, "tobytes") and str(getattr(value, "dtype", "object")) != "object":
        return digests.of_array(value)
    return f"{type(value).__module__}.{type(value).__qualname__}"


def _of_files(folder: Path, paths: Iterable[Path]) -> Digest:
    files = sorted(path for path in paths if path.is_file())
    return digests.of_data([[path.relative_to(folder).as_posix(), digests.of_file(path)] for path in files])
