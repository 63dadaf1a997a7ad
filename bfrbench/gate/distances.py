"""Differences of distances between distributions (FID, KID, coverage) over the same images, by subsampling people."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from bfrbench.bench.intervals import FEWEST_FOR_DISTANCE, SUBSETS
from bfrbench.bench.rowtable import rows_of
from bfrbench.bench.scorecard import MetricResult
from bfrbench.bench.summary import people_of
from bfrbench.errors import NotComparable
from bfrbench.gate.cells import Cell
from bfrbench.gate.means import POWER, Mask
from bfrbench.gate.pairing import Pairs
from bfrbench.gate.verdict import Seen
from bfrbench.metrics import Context, Protocol, ProtocolMetric
from bfrbench.stats import subsample, subsample_family
from bfrbench.stats.bits import Ints


@dataclass(frozen=True)
class _Sides:
    """One metric on both sides: what is worked out once for all its cells."""

    candidate: Callable[[Ints], float]
    baseline: Callable[[Ints], float]
    """The number over the images at some positions."""
    held: Mask
    """Images that both sides have features of."""
    lost: int
    """Images that the baseline alone has features of."""


@dataclass(frozen=True)
class _Asked:
    cell: Cell
    metric: ProtocolMetric
    usable: Mask
    """Images of the cell that both sides have features of."""
    sides: _Sides

    def values(self, positions: Ints) -> tuple[float, float]:
        chosen = positions[self.usable[positions]]
        return self.sides.candidate(chosen), self.sides.baseline(chosen)

    def drop(self, positions: Ints) -> float:
        ours, theirs = self.values(positions)
        return theirs - ours if self.metric.higher_is_better else ours - theirs


def see_distances(
    asked: Sequence[tuple[Cell, ProtocolMetric, Mask]],
    protocol: Protocol,
    pairs: Pairs,
    results: Mapping[str, MetricResult],
    level: float,
) -> dict[Cell, Seen | str]:
    """What subsets of people say of each cell that has enough images; the others are told so."""
    found: dict[Cell, Seen | str] = {}
    enough: list[tuple[Cell, ProtocolMetric, Mask]] = []
    for cell, metric, mask in asked:
        if (count := int(mask.sum())) < FEWEST_FOR_DISTANCE:
            found[cell] = f"{count} images are too few for {metric.name}: at least {FEWEST_FOR_DISTANCE} are needed"
        else:
            enough.append((cell, metric, mask))
    if not enough:
        return found
    metrics = {metric.name: metric for _, metric, _ in enough}
    sides = {name: _opened(metric, protocol, pairs, results) for name, metric in metrics.items()}
    judged = [_Asked(cell, metric, mask & sides[metric.name].held, sides[metric.name]) for cell, metric, mask in enough]
    drawn = subsample(lambda at: [one.drop(at) for one in judged], len(pairs), pairs.people, resamples=SUBSETS)
    two_sided = any(one.cell.rule.max_gain is not None for one in judged)
    family = subsample_family(drawn, level=level, side="both" if two_sided else "low")
    everyone = np.arange(len(pairs), dtype=np.int64)
    for index, one in enumerate(judged):
        ours, theirs = one.values(everyone)
        found[one.cell] = Seen(
            n=int(one.usable.sum()),
            baseline=theirs,
            candidate=ours,
            drop=float(family.values[index]),
            low=float(family.low[index]),
            visible=float(family.visible(POWER)[index]),
            gain_low=-float(family.high[index]) if two_sided else None,
            lost=one.sides.lost,
        )
    return found


def _opened(metric: ProtocolMetric, protocol: Protocol, pairs: Pairs, results: Mapping[str, MetricResult]) -> _Sides:
    from bfrbench.metrics.references import open_reference

    reference = open_reference(metric, protocol)
    if reference is not None and reference.digest != results[metric.name].reference_digest:
        problem = f"the statistics of {metric.kind.reference} here are not those that {metric.name} was measured with"
        raise NotComparable(problem, "put those statistics here, or run both sides again")
    ours, theirs = (list(rows_of(side, metric.rows)) for side in (pairs.candidate, pairs.baseline))
    held = np.array([first.status == "ok" == second.status for first, second in zip(ours, theirs, strict=True)])
    lost = sum(first.status != "ok" == second.status for first, second in zip(ours, theirs, strict=True))
    context, finaliser = Context(reference, people_of(pairs.candidate)), metric.kind.finaliser
    lost *= metric.kind.failure == "leave-out"
    return _Sides(finaliser.over(ours, context), finaliser.over(theirs, context), held, lost)
