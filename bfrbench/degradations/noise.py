"""Noise fields from raw Philox words: 16 bits a pixel, turned into normal or Poisson deviates by our own tables.

NumPy promises its raw streams across versions, not its distributions. The tables are rounded to whole numbers,
so that the last bits of a mathematics library cannot reach an image.
"""

from __future__ import annotations

from functools import cache
from statistics import NormalDist
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

GRAIN = 4096
"""A normal deviate is a whole number of 1/4096 standard deviations."""
LEVELS = 1 << 16
_LOT = 1 << 16
"""Pixels that are looked up together: they stay in the cache from one step to the next."""


def words(noise_key: int, field: int, count: int) -> npt.NDArray[np.uint16]:
    """`count` uniform 16-bit words of one field of one draw."""
    raw = np.random.Philox(key=noise_key | (field << 64)).random_raw(-(-count // 4))
    return raw.astype("<u8", copy=False).view("<u2")[:count]


def normal(noise_key: int, field: int, shape: tuple[int, ...]) -> npt.NDArray[np.float32]:
    """Standard normal deviates, times `GRAIN`."""
    drawn = words(noise_key, field, int(np.prod(shape)))
    return np.asarray(cv2.LUT(drawn.reshape(1, -1), normal_table()), np.float32).reshape(shape)


def poisson_excess(levels: npt.NDArray[np.uint8], noise_key: int, field: int) -> npt.NDArray[np.float32]:
    """Photon noise of an 8-bit image in grey levels: counts minus their mean, as Real-ESRGAN scales it.

    The image's 255 levels stand for as many photons as it has different levels, raised to a power of two.
    """
    flat = np.ascontiguousarray(levels).reshape(1, -1)
    photons = photon_scale(int(np.count_nonzero(cv2.calcHist([flat], [0], None, [256], [0, 256]))))
    table, means = poisson_table(photons), (np.arange(256) * (photons / 255.0)).astype(np.float32)
    drawn = words(noise_key, field, levels.size)
    excess = np.empty(levels.size, np.float32)
    for first in range(0, levels.size, _LOT):
        lot, made = flat[:, first : first + _LOT], excess[first : first + _LOT]
        places = lot[0].astype(np.int32) << 16
        places |= drawn[first : first + _LOT]
        np.subtract(np.take(table, places), cv2.LUT(lot, means)[0], out=made)
        made *= np.float32(255.0 / photons)
    return excess.reshape(levels.shape)


def photon_scale(different: int) -> int:
    return 1 << max(different - 1, 0).bit_length()


@cache
def normal_table() -> npt.NDArray[np.float32]:
    """The quantile at the middle of each of 65,536 equal parts."""
    inverse = NormalDist().inv_cdf
    upper = [round(inverse((index + 0.5) / LEVELS) * GRAIN) for index in range(LEVELS // 2, LEVELS)]
    return np.array([-value for value in reversed(upper)] + upper, np.float32)


@cache
def poisson_table(photons: int) -> npt.NDArray[np.uint16]:
    """256 rows of 65,536 counts, flattened: the quantiles of the Poisson distribution for each grey level."""
    table = np.empty((256, LEVELS), np.uint16)
    for level in range(256):
        edges = np.rint(_poisson_cumulative(level * photons / 255.0) * LEVELS).astype(np.int64)
        edges[-1] = LEVELS
        table[level] = np.repeat(np.arange(len(edges), dtype=np.uint16), np.diff(edges, prepend=0))
    return table.reshape(-1)


def _poisson_cumulative(mean: float) -> npt.NDArray[np.float64]:
    counts = np.arange(int(mean + 12 * mean**0.5 + 24))
    # Products of ratios, outward from the largest term: no exponential, no factorial.
    top = int(mean)
    up = np.cumprod(mean / counts[top + 1 :]) if mean else np.zeros(len(counts) - 1)
    down = np.cumprod(counts[1 : top + 1][::-1] / mean)[::-1] if top else np.zeros(0)
    mass: npt.NDArray[Any] = np.concatenate([down, [1.0], up])
    return np.asarray(np.cumsum(mass) / mass.sum(), np.float64)
