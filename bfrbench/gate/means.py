"""Paired differences of means, all cells of a board in one family of one-sided bounds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bfrbench.gate.cells import Cell
from bfrbench.gate.pairing import Numbers, Pairs, numbers_of
from bfrbench.gate.verdict import Seen
from bfrbench.metrics import ProtocolMetric
from bfrbench.metrics.mean import Mean
from bfrbench.stats import Family, mean_family
from bfrbench.stats.bits import Floats

FEWEST_PEOPLE = 10
"""Fewer people (images, where nobody is known) than this give no bound worth having."""
POWER = 0.9

Mask = np.ndarray[tuple[int], np.dtype[np.bool_]]


@dataclass(frozen=True)
class _Asked:
    """A cell with its columns: differences in the direction of worse, and the other way where that matters too."""

    cell: Cell
    metric: ProtocolMetric
    numbers: Numbers
    mask: Mask

    @property
    def worse(self) -> Floats:
        """Candidate minus baseline, turned so that positive is worse; as it stands where there is an ideal."""
        change = np.where(self.mask, self.numbers.candidate - self.numbers.baseline, np.nan)
        turned = self.metric.ideal is None and self.metric.higher_is_better
        return -change if turned else change

    @property
    def both_ways(self) -> bool:
        return self.metric.ideal is not None or self.cell.rule.max_gain is not None


def see_means(
    asked: Sequence[tuple[Cell, ProtocolMetric, Mask]], pairs: Pairs, level: float, *, seed: int = 0
) -> dict[Cell, Seen | str]:
    """What the paired differences say of each cell."""
    numbers = {metric.name: numbers_of(pairs, metric) for _, metric, _ in asked}
    found: dict[Cell, Seen | str] = {}
    judged: list[_Asked] = []
    for cell, metric, mask in asked:
        one = _Asked(cell, metric, numbers[metric.name], mask)
        if metric.kind.exact:
            found[cell] = _counted(one)
            continue
        little = _too_little(one, pairs.people)
        if little is None:
            judged.append(one)
        else:
            found[cell] = little
    if judged:
        columns = [column for one in judged for column in ([one.worse, -one.worse] if one.both_ways else [one.worse])]
        family = mean_family(np.stack(columns, 1), pairs.people, seed=seed, level=level, side="low")
        found |= _read(judged, family)
    return found


def _counted(one: _Asked) -> Seen:
    """A fact of each image: what changed has changed, and nothing smaller could have been missed."""
    covered, lost = np.isfinite(one.worse), int((one.numbers.lost & one.mask).sum())
    if not covered.any():
        unknown = float("nan")
        return Seen(0, unknown, unknown, unknown, unknown, unknown, lost=lost)
    change = float(one.worse[covered].mean())
    ours, theirs = (float(side[covered].mean()) for side in (one.numbers.candidate, one.numbers.baseline))
    return Seen(int(covered.sum()), theirs, ours, change, change, 0.0, -change if one.both_ways else None, lost)


def _too_little(one: _Asked, people: Sequence[str | None]) -> Seen | str | None:
    """What is said of a cell that has too few pairs for a bound; None where there are enough."""
    compared = [int(index) for index in np.flatnonzero(np.isfinite(one.worse))]
    who = {people[index] or index for index in compared}
    if len(who) >= FEWEST_PEOPLE:
        return None
    if lost := int((one.numbers.lost & one.mask).sum()):
        unknown = float("nan")
        return Seen(len(compared), unknown, unknown, unknown, unknown, unknown, lost=lost)
    return f"{len(who)} people are too few: at least {FEWEST_PEOPLE} are needed"


def _read(judged: Sequence[_Asked], family: Family) -> dict[Cell, Seen | str]:
    found: dict[Cell, Seen | str] = {}
    low, visible, at = family.low, family.visible(POWER), 0
    for one in judged:
        back = at + 1 if one.both_ways else None
        bounds = (float(low[at]), None if back is None else -float(low[back]))
        smallest = float(visible[at] if back is None else max(visible[at], visible[back]))
        found[one.cell] = _seen(one, float(family.values[at]), bounds, smallest)
        at += 2 if one.both_ways else 1
    return found


def _seen(one: _Asked, change: float, bounds: tuple[float, float | None], visible: float) -> Seen:
    finaliser = one.metric.kind.finaliser
    assert isinstance(finaliser, Mean)
    covered = np.isfinite(one.worse)
    ours, theirs = (_combined(finaliser, side[covered]) for side in (one.numbers.candidate, one.numbers.baseline))
    low, high = bounds
    gain_low = None if high is None else -high
    scale = _scale(finaliser, one.numbers.candidate[covered], one.numbers.baseline[covered])
    if one.metric.ideal is not None:
        assert high is not None
        drop, low, gain_low = _from_ideal(theirs - one.metric.ideal, change, low, high)
    else:
        drop = change
    return Seen(
        n=int(covered.sum()),
        baseline=theirs,
        candidate=ours,
        drop=drop * scale,
        low=low * scale,
        visible=visible * scale,
        gain_low=None if gain_low is None else gain_low * scale,
        lost=int((one.numbers.lost & one.mask).sum()),
    )


def _combined(finaliser: Mean, values: Floats) -> float:
    return finaliser.combine([float(value) for value in values])


def _scale(finaliser: Mean, candidate: Floats, baseline: Floats) -> float:
    """What one unit of the plain mean is worth in the metric's own number: 1, except for a root."""
    if type(finaliser).combine is Mean.combine:
        return 1.0
    step = float(candidate.mean() - baseline.mean())
    moved = _combined(finaliser, candidate) - _combined(finaliser, baseline)
    if step:
        return moved / step
    centre = float(baseline.mean())
    nudge = 1e-6 * max(abs(centre), 1e-6)
    return (_combined(finaliser, np.array([centre + nudge])) - _combined(finaliser, np.array([centre]))) / nudge


def _from_ideal(offset: float, change: float, low: float, high: float) -> tuple[float, float, float]:
    """Drop, its lower bound and the gain's, of a number that should lie at an ideal and lies `offset` beside it."""

    def drop(moved: float) -> float:
        return abs(offset + moved) - abs(offset)

    ends = (drop(low), drop(high))
    least = -abs(offset) if low <= -offset <= high else min(ends)
    return drop(change), least, -max(ends)
