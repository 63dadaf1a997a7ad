"""From rows to results: every metric over the whole set and over the bins of each breakdown."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from bfrbench.bench.intervals import FEWEST_FOR_DISTANCE, is_mean, measured, measured_at, rounded
from bfrbench.bench.rowtable import rows_of
from bfrbench.bench.rules import Breakdown
from bfrbench.bench.scorecard import BreakdownResult, FailedImage, Measured, MetricResult, RunStatus
from bfrbench.config import Frozen
from bfrbench.contracts import Row
from bfrbench.digests import Digest
from bfrbench.metrics import Context, ProtocolMetric
from bfrbench.metrics.references import counted
from bfrbench.metrics.split import truth_of, truth_split

if TYPE_CHECKING:
    import numpy.typing as npt
    import pyarrow as pa

    from bfrbench.metrics.reference import Reference
    from bfrbench.stats.bits import Floats

    Chosen = npt.NDArray[np.intp]

FAILED_IMAGES_NAMED = 1000


@dataclass(frozen=True)
class Summary:
    """What the rows of a run say."""

    metrics: dict[str, MetricResult]
    breakdowns: tuple[BreakdownResult, ...]
    failures: dict[str, int]
    failed_images: tuple[FailedImage, ...]


class Numbers(Frozen):
    """Every number of one metric."""

    whole: MetricResult
    bins: tuple[Measured, ...]
    """In the order of the breakdowns and of their bins."""


class Watch:
    """Sees a summary being made, and lets everything be: see `concluding` for one that tells and keeps."""

    def begin(self, metrics: Sequence[ProtocolMetric], bins: int) -> None:
        """Hear what will be made: the numbers of these metrics, over the whole set and over so many bins."""

    def step(self) -> None:
        """Hear that a part of the work is done (see `intervals.steps_of`)."""

    def numbers(self, metric: ProtocolMetric, reference: Digest | None, make: Callable[[], Numbers]) -> Numbers:
        """The numbers of one metric: made, or known from before."""
        return make()


_UNWATCHED = Watch()


def summarise(
    table: pa.Table,
    metrics: Sequence[ProtocolMetric],
    breakdowns: Sequence[Breakdown],
    references: Mapping[str, Reference],
    watch: Watch = _UNWATCHED,
) -> Summary:
    """Every number of a run. `references` holds the statistics that metrics compare with, by the metric's name."""
    rows = {name: list(rows_of(table, name)) for name in dict.fromkeys(metric.rows for metric in metrics)}
    people, ids = people_of(table), table.column("id").to_pylist()
    known = {one.name: counted(one, references[one.name], ids) for one in metrics if one.name in references}
    asked = [_Asked(one, rows[one.rows], Context(known.get(one.name), people)) for one in metrics]
    bins = [
        _Bin(breakdown.title, name, np.flatnonzero(names == name))
        for breakdown in breakdowns
        for names in [bins_of(table, breakdown)]
        for name in breakdown.bins
    ]
    watch.begin(metrics, len(bins))
    numbers = {one.metric.name: watch.numbers(one.metric, one.reference, _maker(one, bins, watch)) for one in asked}
    cells = tuple(
        BreakdownResult(
            by=one.by, bin=one.name, n=len(one.chosen), metrics={name: n.bins[at] for name, n in numbers.items()}
        )
        for at, one in enumerate(bins)
    )
    statuses = table.column("status").to_pylist()
    failures = Counter(status for status in statuses if status != "ok")
    named = [(i, s) for i, s in zip(ids, statuses, strict=True) if s != "ok"]
    failed = tuple(FailedImage(id=image_id, status=status) for image_id, status in named[:FAILED_IMAGES_NAMED])
    whole = {name: one.whole for name, one in numbers.items()}
    return Summary(whole, cells, dict(sorted(failures.items())), failed)


@dataclass(frozen=True, slots=True)
class _Bin:
    """One bin of a breakdown, and where its images stand among the rows."""

    by: str
    name: str
    chosen: Chosen


@dataclass(frozen=True, slots=True)
class _Asked:
    """A metric with the rows that it is made from and what its finaliser is given besides."""

    metric: ProtocolMetric
    rows: Sequence[Row]
    context: Context

    @property
    def reference(self) -> Digest | None:
        return None if self.context.reference is None else self.context.reference.digest


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


def _maker(asked: _Asked, bins: Sequence[_Bin], watch: Watch) -> Callable[[], Numbers]:
    def make() -> Numbers:
        held = asked.metric.kind.finaliser.held(asked.rows, asked.context) if bins else None
        whole = _result(asked, held, watch)
        if held is None:
            return Numbers(whole=whole, bins=tuple(_measured_in(one.chosen, asked, watch) for one in bins))
        return Numbers(whole=whole, bins=tuple(_held_in(one.chosen, asked, whole, held, watch) for one in bins))

    return make


def _result(asked: _Asked, held: Floats | None, watch: Watch) -> MetricResult:
    metric = asked.metric
    found = measured(metric, asked.rows, asked.context, held=held, step=watch.step)
    if (truth := truth_of(asked.rows)) is not None and (split := truth_split(metric, truth)) is not None:
        apart = {} if split.value is None else {"truth_split": rounded(split.value), "truth_split_n": float(split.n)}
        found = found.model_copy(update={"extra": found.extra | apart})
    return MetricResult(
        **found.model_dump(),
        higher_is_better=metric.higher_is_better,
        unit=metric.unit,
        ideal=metric.ideal,
        reference=metric.kind.reference,
        reference_digest=asked.reference,
        digest=metric.digest,
    )


def _held_in(chosen: Chosen, asked: _Asked, whole: Measured, held: Floats, watch: Watch) -> Measured:
    """Of a mean over images once what they are held against is fixed: for a bin it is what it is for the whole set."""
    found = measured_at(whole, held[chosen], [asked.rows[int(index)] for index in chosen], asked.context)
    watch.step()
    return found


def _measured_in(chosen: Chosen, asked: _Asked, watch: Watch) -> Measured:
    some = [asked.rows[int(index)] for index in chosen]
    mean = is_mean(asked.metric)
    if not mean and len(some) < FEWEST_FOR_DISTANCE:
        note = f"{len(some)} images are too few for a distance between distributions"
        return Measured(value=None, n=0, note=note)
    return measured(asked.metric, some, asked.context, interval=mean, step=watch.step)
