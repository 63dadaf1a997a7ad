"""Which image is the n-th that training sees: a fixed function of seed and n, whatever the workers and processes.

Each set is walked in a new random order every epoch; several sets take turns in fixed proportions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from bfrbench.errors import UsageError

_PERIOD = 1000
"""Slots after which the turns of several sets repeat: proportions are kept to a thousandth."""


@dataclass(frozen=True, slots=True)
class Place:
    """The n-th image: of which set, which position in it, in which epoch of that set."""

    source: int
    position: int
    epoch: int


class Sampler:
    """`sampler[n]` for sets of the given lengths, mixed by the given shares."""

    def __init__(self, lengths: Sequence[int], shares: Sequence[float], seed: int) -> None:
        if len(lengths) != len(shares) or not lengths:
            raise UsageError(f"{len(shares)} shares for {len(lengths)} data sets", "give each data set one share")
        if min(lengths) < 1:
            raise UsageError("a data set to train on is empty", "check it with bfrbench datasets show")
        if min(shares) <= 0:
            raise UsageError(f"a share of {min(shares):g} leaves a data set out", "give positive shares")
        self.lengths, self.seed = tuple(lengths), seed
        self.turns = _turns(np.asarray(shares, np.float64) / sum(shares))
        self.before = np.stack([np.cumsum(self.turns == s) - (self.turns == s) for s in range(len(lengths))])
        self.per_period = [int((self.turns == s).sum()) for s in range(len(lengths))]

    def __getitem__(self, n: int) -> Place:
        period, slot = divmod(n, _PERIOD)
        source = int(self.turns[slot])
        count = period * self.per_period[source] + int(self.before[source, slot])
        epoch, step = divmod(count, self.lengths[source])
        return Place(source, int(_shuffled(self.lengths[source], self.seed, source, epoch)[step]), epoch)


def _turns(shares: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    """Who has each slot of a period: always the set that is furthest behind its share."""
    turns, given = np.zeros(_PERIOD, np.int64), np.zeros(len(shares))
    for slot in range(_PERIOD):
        source = int(np.argmax(shares * (slot + 1) - given))
        turns[slot] = source
        given[source] += 1
    missing = [s for s in range(len(shares)) if not (turns == s).any()]
    if missing:
        raise UsageError(f"a share of {shares[missing[0]]:.2g} is too small to be seen", "give it at least 0.001")
    return turns


@lru_cache(maxsize=8)
def _shuffled(length: int, seed: int, source: int, epoch: int) -> npt.NDArray[np.int64]:
    """A permutation made by sorting hashes, which no library version changes."""
    with np.errstate(over="ignore"):
        key = _mixed(np.uint64(seed) + _mixed(np.uint64(epoch) * np.uint64(65_537) + np.uint64(source + 1)))
        return np.argsort(_mixed(np.arange(length, dtype=np.uint64) + key), kind="stable")


def _mixed(x: npt.NDArray[np.uint64] | np.uint64) -> npt.NDArray[np.uint64]:
    """splitmix64's finaliser: a bijection of 64-bit words without visible order."""
    with np.errstate(over="ignore"):
        x = np.asarray(x, np.uint64) + np.uint64(0x9E3779B97F4A7C15)
        x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return x ^ (x >> np.uint64(31))
