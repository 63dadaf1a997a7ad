"""From two sides and a board's rules to a verdict: every cell judged together with all others.

A cell is a regression when a drop is surely there (its bound, which holds for all cells at once, lies above
zero) and what was measured exceeds `max_drop`. It is inconclusive when a drop of `max_drop` could not have been
told from none.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from bfrbench.bench.board import Board
from bfrbench.bench.comparing import check_comparable
from bfrbench.bench.intervals import is_mean
from bfrbench.bench.scorecard import failed_in_words
from bfrbench.bench.summary import bins_of
from bfrbench.errors import NotComparable, UsageError
from bfrbench.gate.cells import Cell, cells_of
from bfrbench.gate.distances import see_distances
from bfrbench.gate.means import see_means
from bfrbench.gate.pairing import Pairs, pair
from bfrbench.gate.sides import Side
from bfrbench.gate.verdict import Judged, Seen, Verdict, decide, not_judged
from bfrbench.metrics import Protocol, ProtocolMetric, load_protocol
from bfrbench.stats import split_level

Mask = np.ndarray[tuple[int], np.dtype[np.bool_]]


def judge(candidate: Side, baseline: Side, board: Board, *, level: float = 0.95) -> Verdict:
    """The verdict over a candidate. Raises `NotComparable` when the two do not rest on the same choices."""
    check_comparable(baseline.card, candidate.card)
    if baseline.card.results.status == "failed":
        raise NotComparable("the baseline is of a failed run", "take a baseline from a run that succeeded")
    if not board.gate:
        raise UsageError(f"board {board.name} has no rules for a gate", "add [[gate]] entries, or give --rules")
    protocol = load_protocol(board.protocol)
    cells = cells_of(board.gate, [metric.name for metric in protocol.metrics], board.breakdown)
    pairs = pair(candidate.rows, baseline.rows)
    found = _see(cells, protocol, pairs, _masks(pairs, board), candidate, level)
    return Verdict(
        board=board.name,
        candidate=candidate.card.results.restorer.ref,
        baseline=baseline.card.results.restorer.ref,
        level=level,
        cells=tuple(_judged(cell, found[cell], protocol, board) for cell in cells),
        problems=tuple(_problems(candidate, board)),
    )


def _problems(side: Side, board: Board) -> Iterator[str]:
    if side.card.results.status == "failed":
        yield f"the run failed: {failed_in_words(side.card.results, board.max_failures)}"


def _masks(pairs: Pairs, board: Board) -> dict[tuple[str | None, str | None], Mask]:
    """Which images each place holds."""
    masks: dict[tuple[str | None, str | None], Mask] = {(None, None): np.ones(len(pairs), dtype=bool)}
    for breakdown in board.breakdown:
        bins = bins_of(pairs.candidate, breakdown)
        masks |= {(breakdown.title, name): bins == name for name in breakdown.bins}
    return masks


def _see(
    cells: Sequence[Cell],
    protocol: Protocol,
    pairs: Pairs,
    masks: Mapping[tuple[str | None, str | None], Mask],
    side: Side,
    level: float,
) -> dict[Cell, Seen | str]:
    """What the data say of each cell, or why they say nothing."""
    results = side.card.results
    found: dict[Cell, Seen | str] = {}
    means: list[tuple[Cell, ProtocolMetric, Mask]] = []
    distances: list[tuple[Cell, ProtocolMetric, Mask]] = []
    for cell in cells:
        if cell.metric in results.skipped:
            found[cell] = f"not measured: it {results.skipped[cell.metric]}"
            continue
        if cell.metric not in results.metrics:
            found[cell] = "not measured in this run"
            continue
        metric = protocol.metric(cell.metric)
        if metric.digest != results.metrics[cell.metric].digest:
            problem = f"{cell.metric} was measured with other choices than {protocol.name} has now"
            raise NotComparable(problem, "run the board again on both sides")
        (means if is_mean(metric) else distances).append((cell, metric, masks[cell.breakdown, cell.bin]))
    share = split_level(level, 2) if means and distances else level
    found |= see_means(means, pairs, share)
    found |= see_distances(distances, protocol, pairs, results.metrics, share)
    return found


def _judged(cell: Cell, seen: Seen | str, protocol: Protocol, board: Board) -> Judged:
    if isinstance(seen, str):
        return not_judged(cell, seen)
    metric = protocol.metric(cell.metric)
    better = metric.higher_is_better
    return decide(cell, seen, ideal=metric.ideal, higher_is_better=better, may_lose=board.max_failures)
