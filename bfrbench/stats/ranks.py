"""Who is really better than whom: rank intervals that hold for all restorers of a board at once.

A restorer's rank lies between one plus the number of those surely better and the number of those not surely
worse. Sureness comes from all paired differences judged together, so ties need not be transitive.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from bfrbench.errors import InputError
from bfrbench.stats.bits import Floats
from bfrbench.stats.family import Family, mean_family, subsample_family
from bfrbench.stats.people import People
from bfrbench.stats.subsample import Statistics, subsample


@dataclass(frozen=True, slots=True)
class Ranks:
    """Per restorer: its rank by the value, and the best and worst rank that the data allow."""

    rank: tuple[int, ...]
    best: tuple[int, ...]
    worst: tuple[int, ...]
    better: npt.NDArray[np.bool_]
    """better[i, j]: restorer i is surely better than restorer j."""


def rank_means(
    values: npt.ArrayLike,
    people: People = None,
    *,
    higher_is_better: bool,
    seed: int = 0,
    level: float = 0.95,
    resamples: int = 4000,
) -> Ranks:
    """Ranks of the column means of N images × M restorers, every restorer on the same images."""
    data = np.asarray(values, dtype=np.float64)
    if data.ndim != 2 or not np.isfinite(data).all():
        raise InputError(f"values of shape {data.shape}, some not finite", "give images × restorers, without failures")
    first, second = np.triu_indices(data.shape[1], 1)
    if not len(first):
        return _ranks(data.mean(0), None, higher_is_better)
    pairs = mean_family(data[:, first] - data[:, second], people, seed=seed, level=level, resamples=resamples)
    return _ranks(data.mean(0), pairs, higher_is_better)


def rank_distances(
    distances: Statistics,
    images: int,
    people: People = None,
    *,
    higher_is_better: bool = False,
    seed: int = 0,
    level: float = 0.95,
    fraction: float = 0.5,
    resamples: int = 200,
    whole: Sequence[float] | None = None,
) -> Ranks:
    """Ranks by a distance between distributions: `distances(positions)` gives one per restorer (`whole`: see
    `subsample`)."""

    def with_differences(found: Sequence[float]) -> list[float]:
        values = np.asarray(found, dtype=np.float64)
        first, second = np.triu_indices(len(values), 1)
        return [*values, *(values[first] - values[second])]

    drawn = subsample(
        lambda positions: with_differences(distances(positions)),
        images,
        people,
        seed=seed,
        fraction=fraction,
        resamples=resamples,
        whole=None if whole is None else with_differences(whole),
    )
    count = round((np.sqrt(8 * len(drawn.values) + 1) - 1) / 2)
    if count == 1:
        return _ranks(drawn.values, None, higher_is_better)
    pairs = replace(drawn, values=drawn.values[count:], deviations=drawn.deviations[:, count:])
    return _ranks(drawn.values[:count], subsample_family(pairs, level=level), higher_is_better)


def _ranks(values: Floats, pairs: Family | None, higher_is_better: bool) -> Ranks:
    count = len(values)
    better = np.zeros((count, count), dtype=bool)
    if pairs is not None:
        first, second = np.triu_indices(count, 1)
        better[first, second] = pairs.low > 0
        better[second, first] = pairs.high < 0
    if not higher_is_better:
        better = better.T.copy()
    key = -values if higher_is_better else values
    rank = [1 + int((key < own).sum()) for own in key]
    best = 1 + better.sum(0)
    worst = count - better.sum(1)
    return Ranks(tuple(rank), tuple(int(r) for r in best), tuple(int(r) for r in worst), better)
