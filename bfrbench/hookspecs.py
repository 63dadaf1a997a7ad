"""Every hook of bfrbench, on one screen. Plugins return data and never act; each is called on its own."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pluggy

from bfrbench.specs import DatasetSpec, DegradationSpec, MetricSpec, RestorerSpec, TrainingRecipeSpec

if TYPE_CHECKING:
    from collections.abc import Mapping

    import cyclopts

PROJECT = "bfrbench"
hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


class Hooks:
    """The hooks, by name."""

    @hookspec
    def bfrbench_restorers(self) -> list[RestorerSpec]:  # type: ignore[empty-body]
        """Restorers that this plugin offers."""

    @hookspec
    def bfrbench_datasets(self) -> list[DatasetSpec]:  # type: ignore[empty-body]
        """Data sets that this plugin offers."""

    @hookspec
    def bfrbench_degradations(self) -> list[DegradationSpec]:  # type: ignore[empty-body]
        """Degradation recipes that this plugin offers."""

    @hookspec
    def bfrbench_metrics(self) -> list[MetricSpec]:  # type: ignore[empty-body]
        """Metrics that this plugin offers."""

    @hookspec
    def bfrbench_training_recipes(self) -> list[TrainingRecipeSpec]:  # type: ignore[empty-body]
        """Training recipes that this plugin offers."""

    @hookspec
    def bfrbench_weight_cards(self) -> Path | None:
        """A folder of weight cards (TOML, one a file) for what this plugin's restorers and metrics need."""

    @hookspec(firstresult=True)
    def bfrbench_resolve_weights(self, uri: str, cache_dir: Path) -> Path | None:
        """A local file for a weight's address that the store cannot fetch itself; the first answer wins."""

    @hookspec
    def bfrbench_on_event(self, event: Mapping[str, Any]) -> None:
        """Something happened in a run or a training: for trackers and reporters."""

    @hookspec
    def bfrbench_commands(self) -> list[cyclopts.App]:  # type: ignore[empty-body]
        """Commands to add to the command line."""
