"""Who is ranked on a board, and by how much: simultaneous rank intervals on the board's own metric."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from bfrbench.bench.board import Board
from bfrbench.bench.comparing import goodness
from bfrbench.bench.intervals import FEWEST_FOR_DISTANCE, SUBSETS, is_mean
from bfrbench.bench.rowtable import rows_of
from bfrbench.bench.scorecard import MetricResult
from bfrbench.bench.summary import people_of
from bfrbench.errors import BfrbenchError, ConfigError
from bfrbench.gate.distances import statistics_of
from bfrbench.gate.pairing import numbers_of_side
from bfrbench.leaderboard.contamination import contamination
from bfrbench.leaderboard.entries import Entry
from bfrbench.metrics import Context, Protocol, ProtocolMetric
from bfrbench.stats import Ranks, rank_distances, rank_means
from bfrbench.stats.bits import Ints

if TYPE_CHECKING:
    import pyarrow as pa

UNKNOWN = ("unknown", "not stated")


def oracle_of(entries: Sequence[Entry]) -> Entry | None:
    """The ground truth itself, where it was run over the whole set."""
    whole = (entry for entry in entries if entry.card.results.status == "complete")
    return next((entry for entry in whole if entry.card.results.restorer.sees_ground_truth), None)


def beyond_truth(entry: Entry, oracle: Entry | None) -> list[str]:
    """Metrics that find a line better than the ground truth itself."""
    if oracle is None or entry.card.results.restorer.sees_ground_truth:
        return []
    truths = oracle.card.results.metrics
    return [name for name, result in entry.card.results.metrics.items() if _beats(result, truths.get(name))]


def _beats(result: MetricResult, truth: MetricResult | None) -> bool:
    if truth is None or truth.value is None or result.value is None or result.ideal is not None:
        return False
    return goodness(result, result.value) > goodness(result, truth.value)


def unranked_because(entry: Entry, board: Board, oracle: Entry | None) -> str:
    """Why a line is shown without a rank; empty for one that is ranked. Nothing is ranked across the oracle."""
    results = entry.card.results
    if results.status != "complete":
        share = f", {results.images} of {results.total} images" if results.status == "partial" else ""
        return f"{results.status} run{share}"
    if results.restorer.sees_ground_truth:
        return "sees the ground truth"
    if not results.restorer.ranked:
        return "shown for comparison"
    metric = board.ranking.metric if board.ranking else ""
    if metric and (metric not in results.metrics or results.metrics[metric].value is None):
        return f"has no {metric}"
    if metric in beyond_truth(entry, oracle):
        return f"better than the ground truth by {metric}, which then says nothing of it"
    return ""


def ordered(entries: Sequence[Entry], board: Board) -> list[Entry]:
    """Best first by the board's metric, ties and lines without a number by name."""

    def key(entry: Entry) -> tuple[float, str]:
        metrics = entry.card.results.metrics
        result = metrics.get(board.ranking.metric) if board.ranking else None
        if result is None or result.value is None:
            return math.inf, entry.ref
        return -goodness(result, result.value), entry.ref

    return sorted(entries, key=key)


def ranks_of(entries: Sequence[Entry], board: Board, protocol: Protocol) -> tuple[Ranks | None, str]:
    """The ranks of entries that are all ranked, or None and why there are none."""
    if not board.ranks:
        return None, "this board notices change and never ranks methods"
    if board.ranking is None:
        return None, "this board has no metric to rank by"
    if not entries:
        return None, "no complete run of a restorer is here yet"
    metric = protocol.metric(board.ranking.metric)
    if metric.ideal is not None:
        raise ConfigError(f"board {board.name} ranks by {metric.name}, a probe", "rank by a metric of quality")
    try:
        ranks = _by_mean(entries, metric) if is_mean(metric) else _by_distance(entries, metric, protocol)
    except BfrbenchError as error:
        return None, error.problem
    return ranks, ""


def _by_mean(entries: Sequence[Entry], metric: ProtocolMetric) -> Ranks:
    """Over the images that every ranked restorer has a number for."""
    values = np.stack([numbers_of_side(_sorted(entry), metric) for entry in entries], 1)
    common = np.asarray(np.isfinite(values).all(axis=1), dtype=bool)
    people = _sorted(entries[0]).column("identity").to_pylist()
    kept = [person for person, keep in zip(people, common, strict=True) if keep]
    return rank_means(values[common], kept, higher_is_better=metric.higher_is_better)


def _by_distance(entries: Sequence[Entry], metric: ProtocolMetric, protocol: Protocol) -> Ranks:
    from bfrbench.errors import TooLittleMeasured

    tables = [_sorted(entry) for entry in entries]
    rows = [list(rows_of(table, metric.rows)) for table in tables]
    charged = metric.kind.failure != "leave-out"
    usable = [charged or all(side[index].status == "ok" for side in rows) for index in range(len(rows[0]))]
    if sum(usable) < FEWEST_FOR_DISTANCE:
        problem = f"{sum(usable)} images are too few to rank by {metric.name}"
        raise TooLittleMeasured(problem, f"measure at least {FEWEST_FOR_DISTANCE}")
    results, tested = entries[0].card.results.metrics, tables[0].column("id").to_pylist()
    references = statistics_of([metric], protocol, results, tested)
    context = Context(references.get(metric.name), people_of(tables[0]))
    finaliser, use = metric.kind.finaliser, np.array(usable)
    over = [finaliser.over(side, context) for side in rows]
    whole = [finaliser.exactly(side, context)(np.flatnonzero(use)) for side in rows]

    def distances(positions: Ints) -> list[float]:
        chosen = positions[use[positions]]
        return [distance(chosen) for distance in over]

    people = tables[0].column("identity").to_pylist()
    better = metric.higher_is_better
    return rank_distances(distances, len(usable), people, higher_is_better=better, resamples=SUBSETS, whole=whole)


def _sorted(entry: Entry) -> pa.Table:
    return entry.rows.sort_by("id")


def flags_of(entry: Entry, board: Board, protocol: Protocol, oracle: Entry | None) -> tuple[str, ...]:
    """What a reader must know before believing a line."""
    restorer = entry.card.results.restorer
    flags = contamination(board.dataset, restorer.trained_on)
    if set(UNKNOWN) & set(restorer.trained_on):
        flags.append("training set unknown")
    losses = set(restorer.loss_networks)
    judges = {metric.name for metric in protocol.metrics if losses & set(metric.kind.weights)}
    if judges:
        flags.append(f"trained against the network of {', '.join(sorted(judges))}")
    if beyond := beyond_truth(entry, oracle):
        flags.append(f"better than the ground truth by {', '.join(beyond)}")
    if failed := sum(entry.card.results.failures.values()):
        flags.append(f"{failed} images failed")
    return tuple(flags)
