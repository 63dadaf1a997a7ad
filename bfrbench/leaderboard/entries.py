"""The scorecards of a board as they lie in its folder: read, checked, and refused by name when something is off."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bfrbench import digests
from bfrbench.bench.board import Board
from bfrbench.bench.checking import read_rows, scorecard_problems
from bfrbench.bench.scorecard import Scorecard
from bfrbench.errors import InputError

if TYPE_CHECKING:
    import pyarrow as pa

SCORECARDS = "scorecards"


@dataclass(frozen=True)
class Entry:
    """A sound scorecard of this board, with the rows it was made from."""

    name: str
    card: Scorecard
    rows: pa.Table

    @property
    def ref(self) -> str:
        return self.card.results.restorer.ref


def read_entries(folder: Path, board: Board) -> list[Entry]:
    """Every scorecard in the board's folder, by file name; one that is unsound, foreign or twice there is an error."""
    paths = sorted((folder / SCORECARDS).glob("*.json"))
    if not paths:
        raise InputError(f"{folder / SCORECARDS} holds no scorecard", "put one there with 'bfrbench submit RUN'")
    entries = [read_entry(path, board) for path in paths]
    check_together(entries)
    return entries


def read_entry(path: Path, board: Board) -> Entry:
    """One scorecard that this board can show."""
    card, problems = scorecard_problems(path)
    if problems:
        raise InputError(f"{path} is not sound: {'; '.join(problems)}", "run that board again")
    if card.results.board != board.name:
        raise InputError(f"{path} is of board {card.results.board!r}", f"only scorecards of {board.name!r} belong here")
    return Entry(path.stem, card, read_rows(path))


def check_together(entries: Sequence[Entry]) -> None:
    """All rest on the same choices and statistics, all whole runs on the same images, and none is there twice."""
    seen: dict[str, Entry] = {}
    for entry in entries:
        key = same_run(entry.card)
        if key in seen:
            problem = f"{seen[key].name} and {entry.name} are the same restorer with the same settings"
            raise InputError(problem, "keep one of the two scorecards")
        seen[key] = entry
    first = entries[0]
    for entry in entries[1:]:
        if entry.card.results.board_digest != first.card.results.board_digest:
            problem = f"{entry.name} was measured under other choices than {first.name}"
            raise InputError(problem, "look at both with 'bfrbench scorecard diff', and run one of them again")
    measured: dict[str, Entry] = {}
    for entry in entries:
        for name, result in entry.card.results.metrics.items():
            other = measured.setdefault(name, entry)
            if result.reference_digest != other.card.results.metrics[name].reference_digest:
                problem = (
                    f"{entry.name} compares with other statistics of {result.reference} by {name} than {other.name}"
                )
                raise InputError(problem, "run both with the statistics that the board's metric names")
    whole = [entry for entry in entries if entry.card.results.images == entry.card.results.total]
    for entry in whole[1:]:
        if entry.card.results.inputs_digest != whole[0].card.results.inputs_digest:
            problem = f"{entry.name} saw other images than {whole[0].name}"
            raise InputError(problem, "verify the data set with 'bfrbench datasets verify', and run the board again")


def same_run(card: Scorecard) -> str:
    """What makes a second scorecard a duplicate: the same restorer, weights and settings on as many images."""
    restorer = card.results.restorer.model_dump(mode="json")
    names = ("ref", "options", "version", "precision", "sample", "point", "weights")
    return digests.of_data([{name: restorer[name] for name in names}, card.results.images])
