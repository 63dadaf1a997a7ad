"""Intervals for distances between distributions (FID, KID, precision): subsampling people without replacement.

A bootstrap duplicates images, which such distances take for a smaller set: biased upwards. A subset has no
duplicates, but its distance is biased as that of m images; so deviations are taken from the subsets' own mean,
put around the point estimate, and rescaled by sqrt(m/n) with the finite-population factor. The interval is one
for the distance *at this number of images*, bias included: compare at equal numbers only.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from bfrbench.contracts import Interval
from bfrbench.errors import InputError, TooLittleMeasured
from bfrbench.stats.bits import Floats, Ints, subsets
from bfrbench.stats.means import Estimate, check_level
from bfrbench.stats.people import People, codes

Statistic = Callable[[Ints], float]
"""A distance of the images at these positions. For a distance to paired ground truth (`fid-gt`) the same
positions are taken on both sides; for a difference of two restorers, of both."""

Statistics = Callable[[Ints], Sequence[float]]
"""Several of them on the same positions, e.g. one per restorer."""

_FEWEST = 8


@dataclass(frozen=True, slots=True)
class Subsamples:
    """Distances on all images, and how they deviate at that number of images: resamples×K, centred on 0."""

    values: Floats
    deviations: Floats
    people: int
    images: int

    @property
    def errors(self) -> Floats:
        spread: Floats = self.deviations.std(0, ddof=1)
        return spread


def subsample(
    statistics: Statistics,
    images: int,
    people: People = None,
    *,
    seed: int = 0,
    fraction: float = 0.5,
    resamples: int = 200,
    whole: Sequence[float] | None = None,
) -> Subsamples:
    """Evaluate `statistics` on all images and on subsets of `fraction` of the people.

    Give the values on all images as `whole` where they are known, or where `statistics` only deviate as they do.

    Half is the default because there the rescaling is 1 and is right for the curvature of a distance too, not
    only for its slope; a smaller share costs less and gives intervals that are too wide near zero.
    """
    numbers, count = codes(images, people)
    if count < _FEWEST:
        raise TooLittleMeasured(f"{count} people or images are too few for subsampling", f"measure at least {_FEWEST}")
    size = round(count * fraction)
    if not 2 <= size < count:
        raise InputError(f"a fraction of {fraction} of {count} leaves {size}", "choose one that leaves a true part")
    everyone = np.arange(images, dtype=np.int64)
    values = _values(statistics if whole is None else lambda _: whole, everyone, images)
    chosen = np.zeros(count, dtype=bool)
    rows, sizes = [], []
    for subset in subsets(seed, count, size, resamples):
        chosen[:] = False
        chosen[subset] = True
        positions = np.flatnonzero(chosen[numbers])
        rows.append(_values(statistics, positions, images))
        sizes.append(len(positions))
    drawn = np.stack(rows)
    share = float(np.mean(sizes)) / images
    scale = np.sqrt(share / (1 - share))
    return Subsamples(values, (drawn - drawn.mean(0)) * scale, count, images)


def subsample_estimate(
    statistic: Statistic,
    images: int,
    people: People = None,
    *,
    seed: int = 0,
    level: float = 0.95,
    fraction: float = 0.5,
    resamples: int = 200,
    whole: float | None = None,
) -> Estimate:
    """One distance, or one difference of distances, with its interval."""
    check_level(level)
    drawn = subsample(
        lambda at: [statistic(at)],
        images,
        people,
        seed=seed,
        fraction=fraction,
        resamples=resamples,
        whole=None if whole is None else [whole],
    )
    value, error = float(drawn.values[0]), float(drawn.errors[0])
    low, high = np.quantile(drawn.deviations[:, 0], [(1 - level) / 2, (1 + level) / 2], method="weibull")
    interval = Interval(value - float(high), value - float(low), level)
    return Estimate(value, interval, error, drawn.people, images)


def _values(statistics: Statistics, positions: Ints, images: int) -> Floats:
    values = np.asarray(statistics(positions), dtype=np.float64)
    if not np.isfinite(values).all():
        if len(positions) < images:  # as of a rate with a threshold of its own: no fault of the features
            problem = f"a part of {len(positions)} of {images} images has no distance"
            raise TooLittleMeasured(problem, "measure more images")
        raise InputError(f"the distance of {len(positions)} images is {values.tolist()}", "look at the features: NaN?")
    return values
