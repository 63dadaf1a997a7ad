"""Differences of distances between distributions (FID, KID, coverage) over the same images, by subsampling people."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from bfrbench.bench.intervals import FEWEST_FOR_DISTANCE, SUBSETS
from bfrbench.bench.rowtable import rows_of
from bfrbench.bench.scorecard import MetricResult
from bfrbench.bench.summary import people_of
from bfrbench.contracts import Row
from bfrbench.errors import NotComparable
from bfrbench.gate.cells import Cell
from bfrbench.gate.means import POWER, Mask
from bfrbench.gate.pairing import Pairs
from bfrbench.gate.verdict import Seen
from bfrbench.metrics import Context, Protocol, ProtocolMetric
from bfrbench.stats import subsample, subsample_family
from bfrbench.stats.bits import Ints

if TYPE_CHECKING:
    from bfrbench.metrics.reference import Reference


@dataclass(frozen=True)
class _Rows:
    """One metric's rows on both sides."""

    candidate: list[Row]
    baseline: list[Row]
    held: Mask
    """Images that both sides have a number for: features, or what the protocol charges for a failure."""
    lost: Mask
    """Images that the baseline alone has features of, where the protocol leaves failures out."""


@dataclass(frozen=True)
class _Sides:
    """One metric's number over the images at some positions, on both sides."""

    candidate: Callable[[Ints], float]
    baseline: Callable[[Ints], float]

    def both(self, positions: Ints) -> tuple[float, float]:
        return self.candidate(positions), self.baseline(positions)


@dataclass(frozen=True)
class _Asked:
    cell: Cell
    metric: ProtocolMetric
    usable: Mask
    """Images of the cell that both sides have features of."""
    lost: int
    """Images of the cell that the baseline alone has features of."""
    exact: _Sides
    parts: _Sides
    """Worked out once for all cells and parts; for their deviations only (see `Finaliser.over`)."""

    @cached_property
    def values(self) -> tuple[float, float]:
        return self.exact.both(np.flatnonzero(self.usable))

    @property
    def drop(self) -> float:
        return self._drop(*self.values)

    def drop_in(self, positions: Ints) -> float:
        return self._drop(*self.parts.both(positions[self.usable[positions]]))

    def _drop(self, ours: float, theirs: float) -> float:
        return theirs - ours if self.metric.higher_is_better else ours - theirs


def see_distances(
    asked: Sequence[tuple[Cell, ProtocolMetric, Mask]],
    protocol: Protocol,
    pairs: Pairs,
    results: Mapping[str, MetricResult],
    level: float,
) -> dict[Cell, Seen | str]:
    """What subsets of people say of each cell that has enough images; the others are told so."""
    rows = {metric.name: _rows(metric, pairs) for _, metric, _ in asked}
    found: dict[Cell, Seen | str] = {}
    enough: list[tuple[Cell, ProtocolMetric, Mask, int]] = []
    for cell, metric, mask in asked:
        usable, lost = mask & rows[metric.name].held, int((mask & rows[metric.name].lost).sum())
        if (count := int(usable.sum())) >= FEWEST_FOR_DISTANCE:
            enough.append((cell, metric, usable, lost))
        elif count + lost >= FEWEST_FOR_DISTANCE:  # too few because the candidate lost them, which is worse than few
            unknown = float("nan")
            found[cell] = Seen(count, unknown, unknown, unknown, unknown, unknown, lost=lost)
        else:
            found[cell] = f"{count} images are too few for {metric.name}: at least {FEWEST_FOR_DISTANCE} are needed"
    if not enough:
        return found
    metrics = {metric.name: metric for _, metric, _, _ in enough}
    references = statistics_of(list(metrics.values()), protocol, results, pairs.candidate.column("id").to_pylist())
    sides = {name: _opened(metric, references.get(name), pairs, rows[name]) for name, metric in metrics.items()}
    judged = [_Asked(cell, metric, usable, lost, *sides[metric.name]) for cell, metric, usable, lost in enough]
    drawn = subsample(
        lambda at: [one.drop_in(at) for one in judged],
        len(pairs),
        pairs.people,
        resamples=SUBSETS,
        whole=[one.drop for one in judged],
    )
    two_sided = any(one.cell.rule.max_gain is not None for one in judged)
    family = subsample_family(drawn, level=level, side="both" if two_sided else "low")
    for index, one in enumerate(judged):
        ours, theirs = one.values
        found[one.cell] = Seen(
            n=int(one.usable.sum()),
            baseline=theirs,
            candidate=ours,
            drop=float(family.values[index]),
            low=float(family.low[index]),
            visible=float(family.visible(POWER)[index]),
            gain_low=-float(family.high[index]) if two_sided else None,
            lost=one.lost,
        )
    return found


def _rows(metric: ProtocolMetric, pairs: Pairs) -> _Rows:
    ours, theirs = (list(rows_of(side, metric.rows)) for side in (pairs.candidate, pairs.baseline))
    here, there = (np.array([row.status == "ok" for row in side], dtype=bool) for side in (ours, theirs))
    if metric.kind.failure != "leave-out":  # a failure has a number there, and is part of the number
        return _Rows(ours, theirs, np.ones_like(here), np.zeros_like(here))
    return _Rows(ours, theirs, here & there, there & ~here)


def _opened(metric: ProtocolMetric, reference: Reference | None, pairs: Pairs, rows: _Rows) -> tuple[_Sides, _Sides]:
    """Its numbers as a scorecard shows them, and those of many parts."""
    context, finaliser = Context(reference, people_of(pairs.candidate)), metric.kind.finaliser
    ways = (finaliser.exactly, finaliser.over)
    exact, parts = (_Sides(way(rows.candidate, context), way(rows.baseline, context)) for way in ways)
    return exact, parts


def statistics_of(
    metrics: Sequence[ProtocolMetric],
    protocol: Protocol,
    results: Mapping[str, MetricResult],
    tested: Collection[str],
) -> dict[str, Reference]:
    """The statistics that metrics compare with, by the metric's name: those that their results were measured with.

    All of them together, because what several metrics share is read and cut once only while somebody holds it.
    """
    from bfrbench.metrics.references import counted, open_reference

    opened = {metric.name: open_reference(metric, protocol) for metric in metrics}
    found = {}
    for metric in metrics:
        if (whole := opened[metric.name]) is None:
            continue
        found[metric.name] = counted(metric, whole, tested)
        if found[metric.name].digest != results[metric.name].reference_digest:
            problem = (
                f"the statistics of {metric.kind.reference} here are not those that {metric.name} was measured with"
            )
            raise NotComparable(problem, "put those statistics here, or run both sides again")
    return found
