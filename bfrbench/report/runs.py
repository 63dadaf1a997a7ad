"""Finished runs of one board, side by side: their numbers by image id, and where their pictures are."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bfrbench.bench.comparing import check_comparable
from bfrbench.bench.rowtable import LABELS
from bfrbench.bench.scorecard import MetricResult
from bfrbench.errors import BfrbenchError, UsageError
from bfrbench.gate.sides import Side, board_of, open_side

if TYPE_CHECKING:
    from bfrbench.bench.stage import Stage
    from bfrbench.contracts import U8Image

IMAGES = "images"


@dataclass(frozen=True)
class Run:
    """One restorer on the board."""

    name: str
    folder: Path
    side: Side

    def picture(self, image_id: str) -> U8Image | None:
        """What it restored, where the run kept it."""
        from bfrbench.bench.codec import EXTENSIONS, image_path
        from bfrbench.imaging.read import read_image

        paths = (image_path(self.folder / IMAGES, codec, image_id) for codec in EXTENSIONS)
        path = next((path for path in paths if path.is_file()), None)
        return None if path is None else read_image(path)


@dataclass(frozen=True)
class Runs:
    """Runs that compare, in the order they were named."""

    runs: tuple[Run, ...]

    @property
    def first(self) -> Run:
        return self.runs[0]

    @property
    def metrics(self) -> dict[str, MetricResult]:
        return self.first.side.card.results.metrics

    @cached_property
    def ids(self) -> list[str]:
        ids: list[str] = self.first.side.rows.column("id").to_pylist()
        return ids

    @cached_property
    def labels(self) -> dict[str, list[Any]]:
        """Labels that some image has, in the order of the ids."""
        found = {name: self.first.side.rows.column(name).to_pylist() for name in (*LABELS, "identity")}
        return {name: values for name, values in found.items() if any(value is not None for value in values)}

    @cached_property
    def inputs(self) -> dict[str, str]:
        """The digest of what the runs saw of each image."""
        return dict(zip(self.ids, self.column(self.first, "input"), strict=True))

    def column(self, run: Run, name: str) -> list[Any]:
        """A column of one run's rows in the order of the ids; empty where it has none."""
        if name not in run.side.rows.column_names:
            return [None] * len(self.ids)
        by_id = dict(zip(*(run.side.rows.column(key).to_pylist() for key in ("id", name)), strict=True))
        return [by_id[image_id] for image_id in self.ids]


def open_runs(folders: Sequence[Path]) -> Runs:
    """Read runs; ones that do not compare are refused."""
    if not folders:
        raise UsageError("no run was given", "name the folders of finished runs")
    runs = tuple(_named(folders))
    for run in runs[1:]:
        check_comparable(runs[0].side.card, run.side.card)
    return Runs(runs)


def _named(folders: Iterable[Path]) -> Iterable[Run]:
    seen: dict[str, int] = {}
    for folder in folders:
        side = open_side(folder)
        name = side.card.results.restorer.ref
        seen[name] = seen.get(name, 0) + 1
        place = folder if folder.is_dir() else folder.parent
        yield Run(name if seen[name] == 1 else f"{name} ({seen[name]})", place, side)


def open_inputs(runs: Runs) -> tuple[Stage | None, str]:
    """The board's images, or why they cannot be shown."""
    from bfrbench.bench.stage import open_stage

    try:
        return open_stage(board_of(runs.first.folder, runs.first.side.card)), ""
    except BfrbenchError as error:
        return None, f"inputs and ground truth are not shown: {error.problem}"
