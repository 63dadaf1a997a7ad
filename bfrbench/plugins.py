"""Find, isolate, list and blame plugins.

Each entry point is loaded on its own and each plugin has a pluggy manager of its own, so every fault and every
name clash has an owner and harms nobody else. A faulty plugin is listed with its reason; using what it offers
is exit 2.
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Generic, TypeVar

import pluggy

from bfrbench.errors import PluginError, UnknownName
from bfrbench.hookspecs import PROJECT, Hooks
from bfrbench.specs import DatasetSpec, DegradationSpec, MetricSpec, RestorerSpec, Spec, TrainingRecipeSpec

S = TypeVar("S", bound=Spec)
BUILTIN = "builtin"
_PREFIX = "bfrbench_"
KINDS: dict[str, type[Spec]] = {
    "restorers": RestorerSpec,
    "datasets": DatasetSpec,
    "degradations": DegradationSpec,
    "metrics": MetricSpec,
    "training_recipes": TrainingRecipeSpec,
}


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with a plugin, and in which hook it showed (or "load")."""

    plugin: str
    where: str
    reason: str


@dataclass(frozen=True, slots=True)
class Owned(Generic[S]):
    """A spec and the plugin that offers it."""

    spec: S
    plugin: str


@dataclass(slots=True)
class Plugin:
    """A plugin as it was found: its entry point, its distribution, and whether it loaded."""

    name: str
    target: str
    distribution: str
    version: str
    manager: pluggy.PluginManager | None = None
    faults: list[Fault] = field(default_factory=list)


class PluginHost:
    """Every plugin that was found, what each offers, and what is wrong with it.

    A host is made by whoever needs one; there is no global one. `modules` adds plugins that are not installed
    (tests, notebooks).
    """

    def __init__(self, modules: Mapping[str, Any] | None = None, *, installed: bool = True) -> None:
        self.plugins: dict[str, Plugin] = {}
        self._offers: dict[str, dict[str, Owned[Any]]] = {}
        if installed:
            self._load_installed()
        for name, module in (modules or {}).items():
            self._add(Plugin(name, getattr(module, "__name__", repr(module)), "", ""), lambda module=module: module)

    @property
    def faults(self) -> list[Fault]:
        """Every fault, of loading and of every hook that returns specs."""
        for kind in KINDS:
            self.offers(kind)
        return [fault for plugin in self.plugins.values() for fault in plugin.faults]

    def restorers(self) -> dict[str, Owned[RestorerSpec]]:
        return self.offers("restorers")

    def datasets(self) -> dict[str, Owned[DatasetSpec]]:
        return self.offers("datasets")

    def degradations(self) -> dict[str, Owned[DegradationSpec]]:
        return self.offers("degradations")

    def metrics(self) -> dict[str, Owned[MetricSpec]]:
        return self.offers("metrics")

    def training_recipes(self) -> dict[str, Owned[TrainingRecipeSpec]]:
        return self.offers("training_recipes")

    def restorer(self, name: str) -> Owned[RestorerSpec]:
        """The restorer of that id, or the error that says why there is none."""
        return self._find("restorers", "restorer", name)

    def training_recipe(self, name: str) -> Owned[TrainingRecipeSpec]:
        return self._find("training_recipes", "training recipe", name)

    def call(self, hook: str, **arguments: Any) -> list[tuple[str, Any]]:
        """Call a hook plugin by plugin; a plugin that raises gets a fault, the others their answer."""
        answers = []
        for plugin in list(self.plugins.values()):
            caller = getattr(plugin.manager.hook, hook) if plugin.manager else None
            if caller is None or not caller.get_hookimpls():
                continue
            try:
                answer = caller(**arguments)
            except Exception as error:
                self._blame(plugin, hook, _reason(error))
                continue
            answers.append((plugin.name, answer[0] if isinstance(answer, list) and answer else answer))
        return answers

    def _load_installed(self) -> None:
        chosen = os.environ.get("BFRBENCH_PLUGINS")
        wanted = None if chosen is None else {name.strip() for name in chosen.split(",") if name.strip()} | {BUILTIN}
        found = sorted(entry_points(group=PROJECT), key=lambda point: (point.name != BUILTIN, point.name))
        if wanted is not None and (absent := wanted - {point.name for point in found}):
            raise UnknownName("plugin", sorted(absent)[0], [point.name for point in found])
        for point in found:
            if wanted is None or point.name in wanted:
                self._add(_describe(point), point.load)

    def _add(self, plugin: Plugin, load: Any) -> None:
        if plugin.name in self.plugins:
            first = self.plugins[plugin.name]
            plugin.name = f"{plugin.name} ({plugin.distribution or plugin.target})"
            self._blame(plugin, "load", f"the name is taken by {first.distribution or first.target}")
            self.plugins[plugin.name] = plugin
            return
        self.plugins[plugin.name] = plugin
        try:
            module = load()
            problems = _misspelt(module)
            if problems:
                raise PluginError("; ".join(problems), "see docs/plugins.md for the hooks")
            manager = pluggy.PluginManager(PROJECT)
            manager.add_hookspecs(Hooks)
            manager.register(module, name=plugin.name)
            plugin.manager = manager
        except pluggy.PluginValidationError as error:
            self._blame(plugin, "load", " ".join(str(error).split()))
        except (Exception, SystemExit) as error:
            self._blame(plugin, "load", error.problem if isinstance(error, PluginError) else _reason(error))

    def _blame(self, plugin: Plugin, where: str, reason: str) -> None:
        fault = Fault(plugin.name, where, reason)
        if fault not in plugin.faults:
            plugin.faults.append(fault)

    def offers(self, kind: str) -> dict[str, Owned[Any]]:
        """Everything of one kind, by id, with its owner."""
        if kind not in self._offers:
            self._offers[kind] = {}
            for name, offered in self.call(f"{_PREFIX}{kind}"):
                self._accept(kind, self.plugins[name], offered)
        return self._offers[kind]

    def _accept(self, kind: str, plugin: Plugin, offered: Any) -> None:
        hook, wanted, offers = f"{_PREFIX}{kind}", KINDS[kind], self._offers[kind]
        if not isinstance(offered, (list, tuple)):
            self._blame(plugin, hook, f"returned {type(offered).__name__} instead of a list of {wanted.__name__}")
            return
        for spec in offered:
            if not isinstance(spec, wanted):
                self._blame(plugin, hook, f"returned {type(spec).__name__} instead of {wanted.__name__}")
            elif spec.id in offers:
                self._blame(plugin, hook, f"the id {spec.id!r} is taken by plugin {offers[spec.id].plugin!r}")
            else:
                offers[spec.id] = Owned(spec, plugin.name)

    def _find(self, kind: str, noun: str, name: str) -> Owned[Any]:
        offers = self.offers(kind)
        if name in offers:
            return offers[name]
        for plugin in self.plugins.values():
            if plugin.faults and (plugin.name == name or name.startswith(f"{plugin.name}-")):
                reason = plugin.faults[0]
                raise PluginError(
                    f"plugin {plugin.name!r} is broken in {reason.where}: {reason.reason}",
                    "mend or uninstall it, or leave it out with BFRBENCH_PLUGINS",
                )
        unknown = UnknownName(noun, name, offers)
        broken = sorted(plugin.name for plugin in self.plugins.values() if plugin.faults)
        if broken:
            unknown.remedy += f" (broken plugins may have offered it: {', '.join(broken)}; see 'bfrbench plugins list')"
        raise unknown


def _describe(point: EntryPoint) -> Plugin:
    dist = point.dist
    return Plugin(point.name, point.value, dist.name if dist else "", dist.version if dist else "")


def _misspelt(module: Any) -> list[str]:
    """Hook implementations that no hook answers to: pluggy itself would only find them later, or never."""
    known = {name for name, _ in inspect.getmembers(Hooks, inspect.isfunction) if name.startswith(_PREFIX)}
    problems = []
    for name, thing in inspect.getmembers(module, callable):
        marked = isinstance(getattr(thing, f"{PROJECT}_impl", None), dict)
        if marked and name not in known:
            problems.append(str(UnknownName("hook", name, known)))
        elif not marked and name in known:
            problems.append(f"{name} lacks the @bfrbench.hookimpl decorator")
    return problems


def _reason(error: BaseException) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())}"
