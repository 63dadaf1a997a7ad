"""What the user asked for, resolved: recipe, settings, data and device, everything that a training depends on."""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bfrbench import digests
from bfrbench.config import parse
from bfrbench.errors import PluginError, UsageError
from bfrbench.plugins import PluginHost
from bfrbench.training.config import RecipeFile, resolve

if TYPE_CHECKING:
    from bfrbench.training.task import Task

_BESIDE = (
    *("workers", "cache", "unreadable", "log_every", "checkpoint_every", "keep_last", "milestone_every"),
    *("sample_every", "samples", "validate_every"),
)
"""Settings of a run that change nothing of what is learnt."""


@dataclass(frozen=True)
class Order:
    """What the user asked for, resolved: everything that a training depends on."""

    recipe: RecipeFile
    target: str
    plugin: str
    data: tuple[tuple[str, float], ...]
    """References of data sets, each with its share."""
    validation: str | None
    device: str

    @classmethod
    def of(
        cls,
        recipe: str,
        data: Sequence[str],
        *,
        validation: str | None = None,
        files: Iterable[Path] = (),
        sets: Iterable[str] = (),
        device: str = "cpu",
        host: PluginHost | None = None,
    ) -> Order:
        """Of a recipe's id (`gpen-finetune`, `gpen-finetune@128`) and the user's settings, the task's too."""
        name, at, size = recipe.partition("@")
        if at and not size.isdecimal():
            raise UsageError(f"the size in {recipe!r} is no number", f"write for example {name}@128")
        owned = (host or PluginHost()).training_recipe(name)
        side = int(size) if at else None
        resolved = resolve(owned.spec.config, where=f"recipe {recipe!r}", size=side, files=files, sets=sets)
        resolved = _with_defaults(resolved, owned.spec.target, owned.plugin, f"recipe {recipe!r}, [task]")
        if not data:
            raise UsageError("no data set is given", "name one with --data")
        return cls(resolved, owned.spec.target, owned.plugin, tuple(map(_shared, data)), validation, device)

    @classmethod
    def again(cls, plain: dict[str, Any], where: str) -> Order:
        """From its JSON; settings that came later than it have their defaults, which changed nothing."""
        recipe = parse(plain["recipe"], RecipeFile, where=where)
        recipe = _with_defaults(recipe, plain["target"], plain["plugin"], f"{where}, [task]")
        data = tuple((name, share) for name, share in plain["data"])
        return cls(recipe, plain["target"], plain["plugin"], data, plain["validation"], plain["device"])

    @property
    def task(self) -> type[Task]:
        """What it trains, to be built."""
        return _task(self.target, self.plugin)

    def plain(self) -> dict[str, Any]:
        """As JSON, for `--dry-run` and for the run's folder."""
        return {
            "recipe": self.recipe.model_dump(mode="json"),
            "target": self.target,
            "plugin": self.plugin,
            "data": [list(pair) for pair in self.data],
            "validation": self.validation,
            "device": self.device,
        }

    @property
    def essence(self) -> dict[str, Any]:
        """What makes two trainings the same; where and how fast they run, and what they say and keep, does not count.
        Nor does their length, but where the task has stages that are shares of it."""
        plain = self.plain()
        plain.pop("device")
        staged = self.task.staged
        for name in _BESIDE if staged else (*_BESIDE, "images"):
            plain["recipe"]["run"].pop(name)
        return plain

    @property
    def digest(self) -> str:
        return digests.of_data(self.essence)


def _with_defaults(recipe: RecipeFile, target: str, plugin: str, where: str) -> RecipeFile:
    """The recipe with every setting of its task."""
    settings = parse(dict(recipe.task), _task(target, plugin).Settings, where=where)
    return recipe.model_copy(update={"task": settings.model_dump(mode="json")})


def _shared(reference: str) -> tuple[str, float]:
    """`lfw128:train` or `studio-train@0.3`: a data set and its share."""
    name, at, share = reference.rpartition("@")
    if not at:
        return reference, 1.0
    try:
        return name, float(share)
    except ValueError as error:
        raise UsageError(f"the share in {reference!r} is no number", "write for example studio-train@0.3") from error


def _task(target: str, plugin: str) -> type[Task]:
    module, _, name = target.partition(":")
    try:
        task: type[Task] = getattr(importlib.import_module(module), name)
        return task
    except Exception as error:
        problem = f"the training recipe's target {target!r} of plugin {plugin!r} cannot be loaded ({error})"
        raise PluginError(problem, "mend the plugin") from error
