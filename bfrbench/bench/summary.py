"""From rows to results: every metric over the whole set and over the bins of each breakdown."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from bfrbench.bench.intervals import FEWEST_FOR_DISTANCE, is_mean, measured
from bfrbench.bench.rowtable import rows_of
from bfrbench.bench.rules import Breakdown
from bfrbench.bench.scorecard import BreakdownResult, FailedImage, Measured, MetricResult, RunStatus
from bfrbench.contracts import Row
from bfrbench.metrics import Context, ProtocolMetric

if TYPE_CHECKING:
    import pyarrow as pa

FAILED_IMAGES_NAMED = 1000


@dataclass(frozen=True)
class Summary:
    """What the rows of a run say."""

    metrics: dict[str, MetricResult]
    breakdowns: tuple[BreakdownResult, ...]
    failures: dict[str, int]
    failed_images: tuple[FailedImage, ...]


def summarise(
    table: pa.Table,
    metrics: Sequence[ProtocolMetric],
    breakdowns: Sequence[Breakdown],
    contexts: Mapping[str, Context],
) -> Summary:
    """Every number of a run. `contexts` holds what a metric's finaliser is given besides rows, by its name."""
    rows = {name: list(rows_of(table, name)) for name in dict.fromkeys(metric.rows for metric in metrics)}
    people = people_of(table)
    whole = {}
    cells: list[BreakdownResult] = []
    groups = [(one, bins_of(table, one)) for one in breakdowns]
    for metric in metrics:
        context = contexts.get(metric.name) or Context(identities=people)
        whole[metric.name] = _result(metric, rows[metric.rows], context)
    for breakdown, bins in groups:
        for name in breakdown.bins:
            cells.append(_cell(breakdown, name, bins == name, metrics, rows, contexts, people))
    statuses = table.column("status").to_pylist()
    failures = Counter(status for status in statuses if status != "ok")
    named = [(i, s) for i, s in zip(table.column("id").to_pylist(), statuses, strict=True) if s != "ok"]
    failed = tuple(FailedImage(id=image_id, status=status) for image_id, status in named[:FAILED_IMAGES_NAMED])
    return Summary(whole, tuple(cells), dict(sorted(failures.items())), failed)


def run_status(images: int, total: int, failures: int, max_failures: float) -> RunStatus:
    """`failed` when more images failed than the board allows, `partial` when not all were asked for."""
    if failures > max_failures * images:
        return "failed"
    return "complete" if images == total else "partial"


def bins_of(table: pa.Table, breakdown: Breakdown) -> np.ndarray[tuple[int], np.dtype[np.object_]]:
    """For each image the name of its bin, or None where its label is not known."""
    values = table.column(breakdown.by).to_pylist()
    if breakdown.groups is not None:
        names = [None if value is None else str(_group(value, breakdown.groups)) for value in values]
        return np.array(names, dtype=object)
    bins = breakdown.bins
    signed = (None if value is None else abs(value) if breakdown.absolute else value for value in values)
    edges = np.array(breakdown.edges)
    return np.array(
        [None if value is None else bins[int(np.searchsorted(edges, value, side="right"))] for value in signed],
        dtype=object,
    )


def people_of(table: pa.Table) -> dict[str, str]:
    """The person of each image, where it is known."""
    pairs = zip(table.column("id").to_pylist(), table.column("identity").to_pylist(), strict=True)
    return {image_id: person for image_id, person in pairs if person is not None}


def _group(identity: str, groups: int) -> int:
    digest = hashlib.blake2b(f"bfrbench-group\0{identity}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") % groups + 1


def _result(metric: ProtocolMetric, rows: Sequence[Row], context: Context) -> MetricResult:
    return MetricResult(
        **measured(metric, rows, context).model_dump(),
        higher_is_better=metric.higher_is_better,
        unit=metric.unit,
        ideal=metric.ideal,
        reference=metric.kind.reference,
        digest=metric.digest,
    )


def _cell(
    breakdown: Breakdown,
    name: str,
    inside: np.ndarray[tuple[int], np.dtype[np.bool_]],
    metrics: Sequence[ProtocolMetric],
    rows: Mapping[str, Sequence[Row]],
    contexts: Mapping[str, Context],
    people: Mapping[str, str],
) -> BreakdownResult:
    chosen = np.flatnonzero(inside)
    return BreakdownResult(
        by=breakdown.title,
        bin=name,
        n=len(chosen),
        metrics=dict(_measured_in(chosen, metrics, rows, contexts, people)),
    )


def _measured_in(
    chosen: np.ndarray[tuple[int], np.dtype[np.intp]],
    metrics: Sequence[ProtocolMetric],
    rows: Mapping[str, Sequence[Row]],
    contexts: Mapping[str, Context],
    people: Mapping[str, str],
) -> Iterator[tuple[str, Measured]]:
    for metric in metrics:
        context = contexts.get(metric.name) or Context(identities=people)
        some = [rows[metric.rows][int(index)] for index in chosen]
        mean = is_mean(metric)
        if not mean and len(some) < FEWEST_FOR_DISTANCE:
            note = f"{len(some)} images are too few for a distance between distributions"
            yield metric.name, Measured(value=None, n=0, note=note)
        else:
            yield metric.name, measured(metric, some, context, interval=mean)
