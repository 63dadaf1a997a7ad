"""The kernel distance of many parts of a set that is too large for the kernel of all pairs.

Pairs are formed inside blocks only, each image in one of them. The mean of unbiased distances stays unbiased, and in
its leading term it deviates from part to part as the distance of all pairs does.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    from bfrbench.metrics.features import F32
    from bfrbench.metrics.frechet import F64
    from bfrbench.stats.bits import Ints

LARGEST = 4096
"""Images of one block, and of a reference that every image is compared with, at most."""
_BYTES = 1 << 29
"""What the kernels of all blocks may take."""


def kernel(first: F32, second: F32) -> F64:
    """(x·y / d + 1)³ of all pairs; of a set with itself at half the cost."""
    wide = first.astype(np.float64)
    found: F64 = wide @ (wide if second is first else second.astype(np.float64)).T
    found /= first.shape[1]
    found += 1.0
    found *= np.square(found)
    return found


@dataclass(frozen=True)
class _Block:
    members: Ints
    within: F64
    """The kernel inside each side, summed over sides, without pairs of an image and itself."""
    across: F64 | None
    """Between the sides, without an image and its own truth."""


def to_truth(restored: F32, truth: F32) -> Callable[[Ints], float]:
    """The distance of images at some places to the ground truth of the same images."""
    blocks = [
        _Block(members, _apart(restored[members]) + _apart(truth[members]), _apart(restored[members], truth[members]))
        for members in _dealt(len(restored), matrices=2)
    ]

    def distance(places: Ints) -> float:
        apart, pairs = 0.0, 0
        for block, marks in _marked(blocks, places, len(restored)):
            assert block.across is not None
            apart += float(marks @ (block.within @ marks)) - 2 * float(marks @ (block.across @ marks))
            count = int(marks.sum())
            pairs += count * (count - 1)
        return apart / pairs if pairs else float("nan")

    return distance


def to_reference(restored: F32, reference: F32) -> Callable[[Ints], float]:
    """The distance of images at some places to a reference that stays as it is, or to as much of it as is needed."""
    known = reference[:: ceil(len(reference) / LARGEST)]
    blocks = [_Block(members, _apart(restored[members]), None) for members in _dealt(len(restored), matrices=1)]
    outer = np.concatenate([kernel(part, known).mean(1) for part in np.array_split(restored, len(blocks))])
    constant = _apart(known).sum() / (len(known) * (len(known) - 1))

    def distance(places: Ints) -> float:
        inner, pairs = 0.0, 0
        for block, marks in _marked(blocks, places, len(restored)):
            inner += float(marks @ (block.within @ marks))
            count = int(marks.sum())
            pairs += count * (count - 1)
        return float(inner / pairs + constant - 2 * outer[places].mean()) if pairs else float("nan")

    return distance


def _apart(features: F32, others: F32 | None = None) -> F64:
    """The kernel of different images only."""
    found = kernel(features, features if others is None else others)
    np.fill_diagonal(found, 0.0)
    return found


def _dealt(count: int, *, matrices: int) -> list[npt.NDArray[Any]]:
    """Blocks of neighbours dealt like cards: images of one person, who often stand together, go to several."""
    most = max(2, min(LARGEST, _BYTES // (8 * matrices * count)))
    blocks = ceil(count / most)
    return [np.arange(start, count, blocks) for start in range(blocks)]


def _marked(blocks: list[_Block], places: Ints, count: int) -> list[tuple[_Block, F64]]:
    """Each block with 1 for those of its images that are among the places."""
    marks = np.zeros(count)
    marks[places] = 1.0
    return [(block, marks[block.members]) for block in blocks]
