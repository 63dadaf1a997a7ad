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
    if package != _OURS and (code := _of_package(_top(spec.target))):
        found["code"] = code
    return found


def code_of(metrics: Iterable[ProtocolMetric], host: PluginHost) -> dict[str, Any]:
    """The code that makes numbers of rows, as plain data: the source of bfrbench and of the packages that the metrics
    come in, and the versions of their plugins. Source that cannot be found is never the same."""
    kinds, offers = [metric.kind for metric in metrics], host.metrics()
    modules = {each.__module__ for kind in kinds for each in type(kind).__mro__ if issubclass(each, Kind)}
    tops = sorted({_OURS, *map(_top, modules)})
    plugins = {offers[kind.spec.id].plugin for kind in kinds if kind.spec.id in offers}
    return {
        "source": {name: _of_package(name) or uuid.uuid4().hex for name in tops},
        "packages": sorted(list(provenance.package_of(plugin, host)) for plugin in plugins),
    }


def source_of(spec: RestorerSpec, package: str) -> dict[str, Digest]:
    """Our own source, that of our plugin among it: a checkout is edited between two versions."""
    found = {name: _of_package(name) for name in (_OURS, *([_top(spec.target)] if package == _OURS else []))}
    return {name: digest for name, digest in found.items() if digest is not None}


def weights_of(metrics: Iterable[ProtocolMetric]) -> dict[str, Digest | None]:
    """Every weight file that metrics measure with and the store knows; None for one that is not here."""
    names = sorted({name for metric in metrics for name in metric.kind.weights})
    if not names:
        return {}
    from bfrbench.weights import WeightStore

    store = WeightStore()
    known = [name for name in names if name in store.cards]
    return {name: None if store.locate(name) is None else store.digest(name) for name in known}


def place_of(word: str) -> Path | None:
    """The file or folder that a word names, if any; what stands on a command line may be no path at all."""
    try:
        return path if (path := Path(word)).exists() else None
    except (OSError, ValueError):  # too long, or with a zero in it
        return None


def _of_argument(argument: str) -> dict[str, Digest]:
    """A file or folder; of a command line the files that it names, `--weights=FILE` too."""
    path = place_of(argument)
    if path is not None and path.is_dir():
        return {"argument": _of_files(path, path.rglob("*"))}
    if path is not None and path.is_file():
        card = path.with_name(f"{path.name}.toml")
        beside = {"card": digests.of_file(card)} if card.is_file() else {}
        return {"argument": digests.of_file(path)} | beside | _of_tensors(path)
    try:
        words = shlex.split(argument)
    except ValueError:  # no command line
        return {}
    named = [name for word in words for name in (word, word.partition("=")[2])]
    files = {name: place for name in named if (place := place_of(name)) is not None and place.is_file()}
    return {name: digests.of_file(place) for name, place in files.items()}


def _of_tensors(path: Path) -> dict[str, Digest]:
    """Of an ONNX file those in which its tensors lie, where they are not in itself."""
    if path.suffix != ".onnx":
        return {}
    import onnx
    from onnx.external_data_helper import uses_external_data

    try:
        tensors = onnx.load(path, load_external_data=False).graph.initializer
    except Exception:  # no ONNX file, as whoever opens it will say
        return {}
    entries = [entry for tensor in tensors if uses_external_data(tensor) for entry in tensor.external_data]
    names = sorted({entry.value for entry in entries if entry.key == "location"})
    return {name: digests.of_file(path.parent / name) for name in names if (path.parent / name).is_file()}


def _of_cards(spec: RestorerSpec) -> dict[str, Digest]:
    if not spec.weights:
        return {}
    from bfrbench.weights import WeightStore

    store = WeightStore()
    return {name: store.digest(name) for name in spec.weights}


def _top(module: str) -> str:
    """The package that a module, or a target in it, lies in."""
    return module.partition(":")[0].partition(".")[0]


def _of_package(name: str) -> Digest | None:
    """Every Python file of a package, which may be a checkout that is being edited."""
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
