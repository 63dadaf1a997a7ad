"""What a restorer's answer is known to depend on, as digests: files, weights, and code that no version stands for.

Two runs go on in one folder, and a finished one is handed out again, only where these are equal. `code_of` is the same
for the numbers that are kept while a scorecard is being made.
"""

from __future__ import annotations

import contextlib
import importlib.util
import inspect
import shlex
import uuid
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from bfrbench import digests
from bfrbench.bench import provenance
from bfrbench.digests import Digest
from bfrbench.metrics import Kind, ProtocolMetric
from bfrbench.plugins import PluginHost
from bfrbench.restorers.loading import LoadedRestorer
from bfrbench.specs import RestorerSpec

_OURS = "bfrbench"
"""The distribution whose version and commit the scorecard holds anyway."""


def on(spec: RestorerSpec, argument: str | None, package: str, loaded: LoadedRestorer | None) -> dict[str, Digest]:
    """Everything by name: the argument's files, else the weight cards; the code of a stranger; an object's state."""
    found = _of_argument(argument) if argument else _of_cards(spec)
    if loaded is not None and not loaded.plugin:
        return found | _of_object(loaded.restorer)
    if package != _OURS and (code := _of_package(spec.target.partition(":")[0])):
        found["code"] = code
    return found


def code_of(metrics: Iterable[ProtocolMetric], host: PluginHost) -> dict[str, Any]:
    """The code that makes numbers of rows, as plain data: the source of bfrbench and of the packages that the metrics
    come in, and the versions of their plugins. Source that cannot be found is never the same."""
    kinds, offers = [metric.kind for metric in metrics], host.metrics()
    modules = {each.__module__ for kind in kinds for each in type(kind).__mro__ if issubclass(each, Kind)}
    tops = sorted({_OURS, *(module.partition(".")[0] for module in modules)})
    plugins = {offers[kind.spec.id].plugin for kind in kinds if kind.spec.id in offers}
    return {
        "source": {name: _of_package(name) or uuid.uuid4().hex for name in tops},
        "packages": sorted(list(provenance.package_of(plugin, host)) for plugin in plugins),
    }


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


def _of_package(module: str) -> Digest | None:
    """Every Python file of the package that a module lies in, which may be a checkout that is being edited."""
    try:
        found = importlib.util.find_spec(module.partition(".")[0])
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
