"""Restorers with more than one answer: the spread over K samples, and the perception-distortion curve."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bfrbench.errors import TooLittleMeasured


@dataclass(frozen=True, slots=True)
class Spread:
    """One metric over K samples of a restorer."""

    mean: float
    deviation: float
    """Between samples, over K - 1."""
    samples: int


def over_samples(values: Sequence[float]) -> Spread:
    """A metric's numbers for samples 0, 1, ... of the same set."""
    if len(values) < 2:
        raise TooLittleMeasured("a spread needs two samples or more", "run the restorer with more samples")
    mean = math.fsum(values) / len(values)
    return Spread(mean, math.sqrt(math.fsum((one - mean) ** 2 for one in values) / (len(values) - 1)), len(values))


@dataclass(frozen=True, slots=True)
class OperatingPoint:
    """Where a restorer lies when it is asked to work at `point`; lower is better on both axes."""

    point: float
    distortion: float
    perception: float
    dominated: bool
    """Whether another point is at least as good on both axes and better on one."""


def perception_distortion(measured: Mapping[float, tuple[float, float]]) -> list[OperatingPoint]:
    """The curve: (distortion, perception) of each operating point, in order of distortion."""
    points = []
    for point, (distortion, perception) in measured.items():
        better = any(
            other != (distortion, perception) and other[0] <= distortion and other[1] <= perception
            for other in measured.values()
        )
        points.append(OperatingPoint(point, distortion, perception, better))
    return sorted(points, key=lambda one: (one.distortion, one.perception))
