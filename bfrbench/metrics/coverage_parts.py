"""Precision, recall, density and coverage of many parts of the same two sets.

Every distance is looked at once: for each pair of an image and a ball's centre, only its rank among the distances from
that centre to its nearest neighbours is kept. How far a ball reaches in a part is such a rank too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    from bfrbench.metrics.features import F32
    from bfrbench.stats.bits import Ints

    Mask = npt.NDArray[np.bool_]
    Ranks = npt.NDArray[np.uint8]

BLOCK = 1024
"""Rows whose distances to all columns are held at once."""
NEAREST = 64
"""Neighbours that are kept of each centre. Of half a set, one part in 10¹² of the balls reaches farther."""
_MOST = 254
"""Of what a rank of one byte can tell apart."""
_BYTES = 1 << 29
"""What the ranks of all pairs may take; beyond it fewer images are averaged over, each with all its pairs."""


def distances(rows: F32, columns: F32) -> Iterator[npt.NDArray[np.float32]]:
    """Euclidean distances, a block of rows at a time."""
    import torch

    wide = torch.from_numpy(columns)
    for start in range(0, len(rows), BLOCK):
        yield torch.cdist(torch.from_numpy(rows[start : start + BLOCK]), wide).numpy()


@dataclass(frozen=True)
class Balls:
    """Around each centre: its nearest neighbours among the centres, itself the first of them, and how far they are."""

    centres: F32
    neighbours: npt.NDArray[np.int32]
    reach: npt.NDArray[np.float32]

    @classmethod
    def of(cls, centres: F32, most: int) -> Balls:
        import torch

        found = [
            torch.topk(torch.from_numpy(block), min(most + 1, len(centres)), largest=False)
            for block in distances(centres, centres)
        ]
        neighbours = torch.cat([one.indices.int() for one in found]).numpy()
        return cls(centres, neighbours, torch.cat([one.values for one in found]).numpy())

    def last(self, held: Mask, k: int) -> tuple[npt.NDArray[np.uint8], Ints]:
        """One more than the rank of each held centre's k-th nearest held one, 0 for the others; and where that lies
        beyond the neighbours that are kept."""
        counted = np.cumsum(held[self.neighbours], axis=1, dtype=np.int32)
        known = counted[:, -1] > k
        last = np.where(held & known, (counted <= k).sum(1) + 1, 0).astype(np.uint8)
        return last, np.flatnonzero(held & ~known)


@dataclass(frozen=True)
class Parts:
    """The share (or number) of balls that hold an image, averaged over images or over balls, of any part."""

    balls: Balls
    images: F32
    ranks: Ranks
    """Of each row that is averaged over (an image, or a ball) and each column (a ball, or an image)."""
    rows: Ints
    by_ball: bool
    counted: bool
    k: int

    @classmethod
    def of(cls, centres: F32, images: F32, k: int, *, nearest: int, by_ball: bool, counted: bool) -> Parts:
        balls = Balls.of(centres, nearest)
        averaged, columns = (centres, images) if by_ball else (images, centres)
        rows = np.arange(0, len(averaged), ceil(len(averaged) * len(columns) / _BYTES))
        return cls(balls, images, _ranks(averaged[rows], columns, balls, rows, by_ball), rows, by_ball, counted, k)

    def number(self, centres: Mask, images: Mask) -> float | None:
        """Over the part that the masks say; None where too many balls reach farther than is known."""
        last, short = self.balls.last(centres, self.k)
        if 16 * len(short) > int(centres.sum()):
            return None
        averaged, columns = (centres, images) if self.by_ball else (images, centres)
        at = np.flatnonzero(averaged[self.rows])
        hits = self._by_ball(at, last, columns) if self.by_ball else self._by_image(at, last)
        if len(short):
            self._add_far(hits, at, short, centres, images)
        return float(hits.mean() if self.counted else (hits > 0).mean()) if len(at) else float("nan")

    def _by_image(self, at: Ints, last: npt.NDArray[np.uint8]) -> Ints:
        """For each image how many balls hold it."""
        chunks = [at[start : start + BLOCK] for start in range(0, len(at), BLOCK)]
        return np.concatenate([np.count_nonzero(self.ranks[chunk] < last, axis=1) for chunk in chunks] or [at])

    def _by_ball(self, at: Ints, last: npt.NDArray[np.uint8], images: Mask) -> Ints:
        """For each ball how many images it holds."""
        chunks = [at[start : start + BLOCK] for start in range(0, len(at), BLOCK)]
        reach = last[self.rows][:, None]
        held = [np.count_nonzero((self.ranks[chunk] < reach[chunk]) & images, axis=1) for chunk in chunks]
        return np.concatenate(held or [at])

    def _add_far(self, hits: Ints, at: Ints, short: Ints, centres: Mask, images: Mask) -> None:
        """The balls that reach beyond the neighbours that are kept, each by its own distances."""
        own = np.concatenate(list(distances(self.balls.centres[short], self.balls.centres[centres])))
        reach = np.partition(own, self.k, axis=1)[:, self.k]
        there = np.concatenate(list(distances(self.balls.centres[short], self.images))) <= reach[:, None]
        if self.by_ball:
            places = {int(row): place for place, row in enumerate(self.rows[at])}
            for ball, inside in zip(short, there, strict=True):
                if int(ball) in places:
                    hits[places[int(ball)]] += int((inside & images).sum())
        else:
            hits += there[:, self.rows[at]].sum(0)


def _ranks(averaged: F32, columns: F32, balls: Balls, rows: Ints, by_ball: bool) -> Ranks:
    """How many of a centre's nearest neighbours are nearer to it than the image is."""
    import torch

    found = np.empty((len(averaged), len(columns)), np.uint8)
    reach = torch.from_numpy(balls.reach)
    for index, block in enumerate(distances(averaged, columns)):
        at = slice(index * BLOCK, index * BLOCK + len(block))
        apart = torch.from_numpy(block)
        if by_ball:
            found[at] = torch.searchsorted(reach[torch.from_numpy(rows[at])], apart).numpy()
        else:
            found[at] = torch.searchsorted(reach, apart.T.contiguous()).T.numpy()
    return found


def part_number(
    what: str, restored: F32, real: F32, k: int, *, paired: bool, direct: Callable[[F32, F32], float]
) -> Callable[[Ints], float]:
    """The number of the restored images at some places: against the real ones at the same places when they are
    `paired`, else against all. `direct` is how it is computed of two sets of features alone."""
    recall, by_ball = what == "recall", what == "coverage"
    centres, images = (restored, real) if recall else (real, restored)
    nearest = NEAREST if paired or recall else min(k, _MOST)
    parts = Parts.of(centres, images, k, nearest=nearest, by_ball=by_ball, counted=what == "density")
    everyone = np.ones(len(real), dtype=bool)

    def number(places: Ints) -> float:
        ours = np.zeros(len(restored), dtype=bool)
        ours[places] = True
        theirs = ours if paired else everyone
        if min(len(places), int(theirs.sum())) <= k:
            return float("nan")
        found = parts.number(*((ours, theirs) if recall else (theirs, ours)))
        if found is None:
            return direct(restored[ours], real[theirs])
        return found / k if what == "density" else found

    return number
