"""Means over images with intervals that resample people: of one restorer, of a paired difference, of a rate.

The interval is the studentised bootstrap over people, which corrects for skewness where plain percentiles are
too narrow, widened where a few people with many images dominate. Distances between distributions are not
means; `subsample` is for those.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from bfrbench.contracts import Interval
from bfrbench.errors import InputError
from bfrbench.stats.bits import Floats, resample_counts
from bfrbench.stats.people import People, Sums, sums


@dataclass(frozen=True, slots=True)
class Estimate:
    """A value, its interval and standard error, and what it rests on."""

    value: float
    interval: Interval
    error: float
    people: int
    images: int


def mean_estimate(
    values: npt.ArrayLike, people: People = None, *, seed: int = 0, level: float = 0.95, resamples: int = 2000
) -> Estimate:
    """The mean of one value per image."""
    check_level(level)
    data = _column(values)
    summed = sums(data, people)
    mean, error = float(summed.means()[0]), float(summed.errors()[0])
    pivots = np.sort(bootstrap_pivots(summed, seed, resamples)[:, 0])
    low, high = np.quantile(pivots, [(1 - level) / 2, (1 + level) / 2])
    reach = error * float(summed.widening(level)[0])
    interval = Interval(mean - float(high) * reach, mean - float(low) * reach, level)
    return Estimate(mean, interval, error, summed.people, len(data))


def paired_estimate(
    candidate: npt.ArrayLike,
    baseline: npt.ArrayLike,
    people: People = None,
    *,
    seed: int = 0,
    level: float = 0.95,
    resamples: int = 2000,
) -> Estimate:
    """The mean of candidate minus baseline over the same images, given in the same order (see `aligned`)."""
    ours, theirs = _column(candidate), _column(baseline)
    if len(ours) != len(theirs):
        raise InputError(f"{len(ours)} values against {len(theirs)}", "a paired difference needs the same images")
    return mean_estimate(ours - theirs, people, seed=seed, level=level, resamples=resamples)


def rate_estimate(hits: npt.ArrayLike, people: People = None, *, level: float = 0.95) -> Estimate:
    """A rate of yes and no per image: Wilson's interval at the number of images that clustering leaves.

    A bootstrap of 1,000 hits in 1,000 would give an interval of no width; this one does not.
    """
    check_level(level)
    data = _column(hits)
    if not np.isin(data, (0.0, 1.0)).all():
        raise InputError("a rate is made of 0 and 1 only", "give one truth value per image")
    summed = sums(data, people)
    rate, error = float(data.mean()), float(summed.errors()[0])
    effective = rate * (1 - rate) / error**2 if error > 0 else float(summed.people)
    effective = min(effective, float(len(data)))
    z = NormalDist().inv_cdf((1 + level) / 2)
    centre = (rate + z * z / (2 * effective)) / (1 + z * z / effective)
    half = z / (1 + z * z / effective) * sqrt(rate * (1 - rate) / effective + z * z / (4 * effective**2))
    interval = Interval(max(0.0, centre - half), min(1.0, centre + half), level)
    return Estimate(rate, interval, error, summed.people, len(data))


def bootstrap_pivots(summed: Sums, seed: int, resamples: int) -> Floats:
    """(mean* - mean) / error* of each column in each of `resamples` redrawings of people: resamples×K.

    A column that a redrawing leaves without spread says nothing there, and gets 0.
    """
    mean = summed.means()
    values, images = summed.values - mean * summed.images, summed.images
    present = (images > 0).astype(np.float64)
    out = []
    for counts in resample_counts(seed, summed.people, resamples):
        with np.errstate(divide="ignore", invalid="ignore"):
            total = counts @ images
            shift = (counts @ values) / total
            squares = counts @ values**2 - 2 * shift * (counts @ (values * images)) + shift**2 * (counts @ images**2)
            drawn = counts @ present
            error = np.sqrt(np.maximum(squares, 0.0) * drawn / np.maximum(drawn - 1, 1)) / total
            spread = error > 1e-9 * summed.errors()
            out.append(np.where(spread & (total > 0), shift / error, 0.0))
    return np.concatenate(out)


def check_level(level: float) -> None:
    if not 0 < level < 1:
        raise InputError(f"a confidence level of {level} makes no sense", "give a number between 0 and 1, like 0.95")


def _column(values: npt.ArrayLike) -> Floats:
    data = np.asarray(values, dtype=np.float64)
    if data.ndim != 1:
        raise InputError(f"values of shape {data.shape}", "give one value per image")
    if not np.isfinite(data).all():
        bad = int((~np.isfinite(data)).sum())
        raise InputError(
            f"{bad} of {len(data)} values are not finite", "leave such rows out, and say how many there are"
        )
    return data
