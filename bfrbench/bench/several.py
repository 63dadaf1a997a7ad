"""Several runs of one restorer: its samples, or its operating points, each with a scorecard of its own.

Here they are asked for and read together: mean and spread over samples, and the perception-distortion curve.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from bfrbench.bench.comparing import check_comparable, goodness
from bfrbench.bench.intervals import is_mean
from bfrbench.bench.settings import Settings
from bfrbench.errors import InputError, UnknownName, UsageError
from bfrbench.metrics.samples import Spread, over_samples, perception_distortion

if TYPE_CHECKING:
    from pathlib import Path

    from bfrbench.bench.scorecard import Scorecard
    from bfrbench.metrics import Protocol, ProtocolMetric

DISTORTION = "psnr"
_NO_TRUTH = ("niqe", "pyiqa")
"""Kinds that judge an image without its truth; distances between distributions are the other way to see perception."""


def of_samples(settings: Settings, count: int) -> list[Settings]:
    """The settings of one run for each sample."""
    if count < 2:
        raise UsageError(f"samples is {count}", "a spread needs two or more")
    if settings.sample:
        raise UsageError("both one sample and several were asked for", "give --sample or --samples")
    return [replace(settings, sample=one, out=_inside(settings, f"sample-{one}")) for one in range(count)]


def of_points(settings: Settings, points: Sequence[float]) -> list[Settings]:
    """The settings of one run for each operating point."""
    if len(points) < 2 or len(set(points)) < len(points):
        raise UsageError(f"points are {', '.join(f'{one:g}' for one in points)}", "give two or more that differ")
    if settings.point is not None:
        raise UsageError("both one point and several were asked for", "give --point or --points")
    return [replace(settings, point=one, out=_inside(settings, f"point-{one:g}")) for one in points]


def _inside(settings: Settings, name: str) -> Path | None:
    return None if settings.out is None else settings.out / name


def spread(cards: Sequence[Scorecard]) -> dict[str, Spread]:
    """Mean and deviation of every metric over the samples of one restorer."""
    _check(cards, "sample")
    metrics = {name: [card.results.metrics[name].value for card in cards] for name in cards[0].results.metrics}
    return {
        name: over_samples([value for value in values if value is not None])
        for name, values in metrics.items()
        if None not in values
    }


@dataclass(frozen=True, slots=True)
class Curve:
    """The operating points of one restorer, by rising distortion."""

    restorer: str
    distortion: str
    perception: str
    points: tuple[PointOnCurve, ...]


@dataclass(frozen=True, slots=True)
class PointOnCurve:
    """The two numbers of a point, in their metrics' own units."""

    point: float
    distortion: float
    perception: float
    dominated: bool
    """Whether another point is at least as good in both and better in one."""


def curve(cards: Sequence[Scorecard], distortion: str, perception: str) -> Curve:
    """The perception-distortion curve by two metrics."""
    _check(cards, "point")
    by_point = {float(card.results.restorer.point or 0.0): card.results.metrics for card in cards}
    for name in (distortion, perception):
        if any(name not in metrics or metrics[name].value is None for metrics in by_point.values()):
            raise UnknownName("measured metric", name, cards[0].results.metrics)
    placed = {
        point: tuple(-goodness(metrics[name], metrics[name].value or 0.0) for name in (distortion, perception))
        for point, metrics in by_point.items()
    }
    points = tuple(
        PointOnCurve(
            one.point,
            by_point[one.point][distortion].value or 0.0,
            by_point[one.point][perception].value or 0.0,
            one.dominated,
        )
        for one in perception_distortion({point: (first, second) for point, (first, second) in placed.items()})
    )
    return Curve(cards[0].results.restorer.ref, distortion, perception, points)


def axes(card: Scorecard, protocol: Protocol) -> tuple[str, str | None]:
    """What a curve is drawn by when nobody says: PSNR, and the protocol's first metric of perception, if it has one."""
    measured = [metric for metric in protocol.metrics if metric.name in card.results.metrics]
    seen = [one.name for one in measured if one.kind.spec.id in _NO_TRUTH or _of_distributions(one)]
    return DISTORTION, seen[0] if seen else None


def _of_distributions(metric: ProtocolMetric) -> bool:
    return not is_mean(metric) and "identity" not in metric.needs


def _check(cards: Sequence[Scorecard], differs: str) -> None:
    """They are of one restorer on one board, and differ in this alone."""
    if len(cards) < 2:
        raise UsageError(f"{len(cards)} scorecard was given", f"name two runs or more, one for each {differs}")
    first = cards[0]
    for other in cards[1:]:
        check_comparable(first, other)
    who = [card.results.restorer.model_dump(mode="json") for card in cards]
    which = [one.pop(differs) for one in who]
    if any(one != who[0] for one in who):
        raise InputError(f"these are not {differs}s of one restorer", "name runs that differ in that alone")
    if len(set(which)) < len(which) or None in which:
        raise InputError(f"two of these runs have the same {differs}, or none", f"name one run for each {differs}")
