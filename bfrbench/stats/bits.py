"""Random choices from raw counter bits, by our own formulas: the same on every machine and NumPy version.

What is chosen (people to resample, subsets, signs) is here; what is computed from it is next door.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

_CHUNK = 1 << 18
"""Numbers held at once: about 2 MB, which stay in a core's cache, however many images and resamples there are."""


def _source(seed: int, purpose: str) -> np.random.Philox:
    key = hashlib.blake2b(f"{purpose}:{seed}".encode(), digest_size=16).digest()
    return np.random.Philox(key=int.from_bytes(key, "little"))


def _below(source: np.random.Philox, shape: tuple[int, int], bound: int) -> Ints:
    """Integers in [0, bound): the upper 32 bits, multiplied and shifted (off by less than bound / 2³²)."""
    raw = source.random_raw(shape[0] * shape[1]).reshape(shape)
    scaled: Ints = ((raw >> np.uint64(32)) * np.uint64(bound) >> np.uint64(32)).astype(np.int64)
    return scaled


def resample_counts(seed: int, units: int, resamples: int) -> Iterator[Floats]:
    """How often each of `units` is drawn with replacement: chunks of rows, `resamples` rows in all."""
    source = _source(seed, "bootstrap")
    for rows in _chunks(resamples, units):
        drawn = _below(source, (rows, units), units)
        drawn += np.arange(rows, dtype=np.int64)[:, None] * units
        yield np.bincount(drawn.ravel(), minlength=rows * units).reshape(rows, units).astype(np.float64)


def subsets(seed: int, units: int, size: int, resamples: int) -> Iterator[Ints]:
    """`resamples` sorted subsets of `size` among `units`, without replacement."""
    source = _source(seed, "subsample")
    for _ in range(resamples):
        yield np.sort(np.argpartition(source.random_raw(units), size - 1)[:size])


def signs(seed: int, units: int, resamples: int) -> Iterator[Floats]:
    """Rows of fair +1 and -1: chunks of rows, `resamples` rows in all."""
    source = _source(seed, "signs")
    for rows in _chunks(resamples, units):
        upper = source.random_raw(rows * units).reshape(rows, units) >> np.uint64(63)
        yield 1.0 - 2.0 * upper.astype(np.float64)


def _chunks(resamples: int, units: int) -> Iterator[int]:
    most = max(1, _CHUNK // max(units, 1))
    for start in range(0, resamples, most):
        yield min(most, resamples - start)
