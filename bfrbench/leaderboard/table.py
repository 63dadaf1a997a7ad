"""A leaderboard as plain data: what every format shows, worked out once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from bfrbench.bench.board import Board
from bfrbench.bench.comparing import arrow, goodness
from bfrbench.bench.intervals import is_mean, rounded
from bfrbench.bench.rowtable import rows_of
from bfrbench.bench.scorecard import MetricResult
from bfrbench.leaderboard.entries import Entry
from bfrbench.leaderboard.published import Reported, reported
from bfrbench.leaderboard.ranking import flags_of, oracle_of, ordered, ranks_of, unranked_because
from bfrbench.metrics import Protocol, ProtocolMetric
from bfrbench.metrics.split import truth_of, truth_split
from bfrbench.stats import Ranks

if TYPE_CHECKING:
    from bfrbench.metrics.split import Truth

SPLIT = "ground truth, half against half"
_SAME_DIGITS = 5
"""Of numbers that are computed when a table is built: fewer than change with the number of threads or the processor."""
PLACES = 2
"""Places that a table of results marks: the best and the second."""


@dataclass(frozen=True, slots=True)
class Number:
    """A metric of one line."""

    value: float | None
    low: float | None
    high: float | None
    n: int
    place: int | None
    """1 for the best among comparable lines, 2 for the second."""


@dataclass(frozen=True, slots=True)
class Line:
    """One restorer."""

    name: str
    restorer: str
    rank: int | None
    best: int | None
    worst: int | None
    note: str
    """Why it has no rank; empty where it has one."""
    flags: tuple[str, ...]
    licence: str
    parameters: int | None
    macs: int | None
    """Multiply-adds of one image."""
    seconds: float | None
    memory: int | None
    """Bytes at the peak, of the device or of the process."""
    images: int
    numbers: Mapping[str, Number]
    results_digest: str

    @property
    def notes(self) -> str:
        """Why it has no rank, and what else to know of it."""
        return "; ".join(filter(None, (self.note, *self.flags)))


@dataclass(frozen=True, slots=True)
class Column:
    """A metric and where better lies."""

    name: str
    arrow: str
    unit: str


@dataclass(frozen=True, slots=True)
class Leaderboard:
    """The whole table."""

    board: str
    title: str
    summary: str
    protocol: str
    board_digest: str
    ranked_by: str | None
    unranked: str
    """Why nobody has a rank; empty where somebody has."""
    columns: tuple[Column, ...]
    lines: tuple[Line, ...]
    skipped: Mapping[str, str]
    reported: tuple[Reported, ...]
    notes: tuple[str, ...]

    def dump(self) -> dict[str, Any]:
        return asdict(self)


def make_table(board: Board, entries: Sequence[Entry], protocol: Protocol) -> Leaderboard:
    """Ranked lines first, the others by the same order below them."""
    oracle = oracle_of(entries)
    notes = {entry.name: unranked_because(entry, board, oracle) for entry in entries}
    contenders = [entry for entry in ordered(entries, board) if not notes[entry.name]]
    others = [entry for entry in ordered(entries, board) if notes[entry.name]]
    ranks, unranked = ranks_of(contenders, board, protocol)
    results = entries[0].card.results
    places = _places(contenders)
    lines = [
        _line(
            entry,
            index if index < len(contenders) else None,
            ranks,
            notes,
            places,
            flags_of(entry, board, protocol, oracle),
        )
        for index, entry in enumerate([*contenders, *others])
    ]
    lines += split_line(entries, protocol)
    return Leaderboard(
        board=board.name,
        title=board.title,
        summary=board.summary,
        protocol=results.protocol,
        board_digest=results.board_digest,
        ranked_by=board.ranking.metric if board.ranking else None,
        unranked=unranked,
        columns=tuple(Column(name, arrow(result), result.unit) for name, result in results.metrics.items()),
        lines=tuple(lines),
        skipped=dict(results.skipped),
        reported=tuple(reported(board.name)),
        notes=board.notes,
    )


def _line(
    entry: Entry,
    index: int | None,
    ranks: Ranks | None,
    notes: Mapping[str, str],
    places: Mapping[tuple[str, str], int],
    flags: tuple[str, ...],
) -> Line:
    results, seen = entry.card.results, entry.card.observed
    has_rank = ranks is not None and index is not None
    return Line(
        name=entry.name,
        restorer=_called(entry),
        rank=ranks.rank[index] if has_rank and ranks and index is not None else None,
        best=ranks.best[index] if has_rank and ranks and index is not None else None,
        worst=ranks.worst[index] if has_rank and ranks and index is not None else None,
        note=notes[entry.name],
        flags=flags,
        licence=results.restorer.licence,
        parameters=seen.parameters,
        macs=seen.macs,
        seconds=seen.seconds_per_image,
        memory=seen.peak_memory or None,
        images=results.images,
        numbers={
            name: Number(one.value, one.low, one.high, one.n, places.get((entry.name, name)))
            for name, one in results.metrics.items()
        },
        results_digest=entry.card.results_digest,
    )


def _called(entry: Entry) -> str:
    """The restorer's reference, with whatever makes it differ from the plain one."""
    restorer = entry.card.results.restorer
    extra = [f"{name}={value}" for name, value in sorted(restorer.options.items())]
    extra += [restorer.precision] if restorer.precision != "float32" else []
    extra += [f"sample {restorer.sample}"] if restorer.sample else []
    extra += [f"point {restorer.point:g}"] if restorer.point is not None else []
    return f"{restorer.ref} ({', '.join(extra)})" if extra else restorer.ref


def _places(entries: Sequence[Entry]) -> dict[tuple[str, str], int]:
    """The best and the second of every metric among lines that compare; equal values share a place."""
    places = {}
    for metric in dict.fromkeys(name for entry in entries for name in entry.card.results.metrics):
        good = {entry.name: _goodness(entry.card.results.metrics[metric]) for entry in entries}
        for name, own in good.items():
            better = sum(1 for other in good.values() if own is not None and other is not None and other > own)
            if own is not None and better < PLACES:
                places[name, metric] = better + 1
    return places


def _goodness(result: MetricResult) -> float | None:
    return None if result.value is None else goodness(result, result.value)


def split_line(entries: Sequence[Entry], protocol: Protocol) -> list[Line]:
    """The ground truth against itself in every distance between distributions, if some run holds its features."""
    numbers = {}
    for name in dict.fromkeys(name for entry in entries for name in entry.card.results.metrics):
        metric = protocol.metric(name)
        if is_mean(metric):
            continue
        truths = (_truth(entry, metric) for entry in entries if name in entry.card.results.metrics)
        truth = max((one for one in truths if one is not None), key=len, default=None)
        split = None if truth is None else truth_split(metric, truth)
        if split is not None and split.value is not None:
            numbers[name] = Number(rounded(split.value, _SAME_DIGITS), None, None, split.n, None)
    if not numbers:
        return []
    count = max(number.n for number in numbers.values())
    why = f"one random half of the ground truth against the other, {count} images each: never ranked"
    return [Line("split", SPLIT, None, None, None, why, (), "–", None, None, None, None, count, numbers, "")]


def _truth(entry: Entry, metric: ProtocolMetric) -> Truth | None:
    rows = list(rows_of(entry.rows, metric.rows))
    return truth_of(rows, restored_is_truth=entry.card.results.restorer.sees_ground_truth)
