"""Numbers from the literature, each with its source: shown beside a board, never ranked against what was measured."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cache
from pathlib import Path

FILE = Path(__file__).with_name("published.csv")


@dataclass(frozen=True, slots=True)
class Published:
    """One printed number. `board` is the one whose set it speaks of, or empty where no board has that set."""

    board: str
    source: str
    set: str
    method: str
    metric: str
    value: str
    note: str


@cache
def published() -> tuple[Published, ...]:
    with FILE.open(encoding="utf-8", newline="") as file:
        return tuple(Published(**row) for row in csv.DictReader(file))


@dataclass(frozen=True, slots=True)
class Reported:
    """What one source reports of one method, by metric as the source calls it."""

    method: str
    source: str
    numbers: dict[str, str]
    notes: tuple[str, ...]


def reported(board: str) -> list[Reported]:
    """The rows of the literature for a board, by source and then by method in the order they were printed."""
    grouped: dict[tuple[str, str], list[Published]] = {}
    for one in published():
        if one.board == board:
            grouped.setdefault((one.source, one.method), []).append(one)
    return [
        Reported(
            method=method,
            source=source,
            numbers={one.metric: one.value for one in ones},
            notes=tuple(sorted({one.note for one in ones if one.note})),
        )
        for (source, method), ones in grouped.items()
    ]
