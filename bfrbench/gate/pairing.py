"""The same images on both sides: one number an image, metric and side, and who cannot be compared."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from bfrbench.bench.rowtable import rows_of
from bfrbench.metrics import ProtocolMetric
from bfrbench.metrics.mean import Mean
from bfrbench.stats import aligned
from bfrbench.stats.bits import Floats

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class Pairs:
    """The rows of both sides in one order."""

    candidate: pa.Table
    baseline: pa.Table

    @property
    def people(self) -> list[str | None]:
        people: list[str | None] = self.candidate.column("identity").to_pylist()
        return people

    def __len__(self) -> int:
        return int(self.candidate.num_rows)


def pair(candidate: pa.Table, baseline: pa.Table) -> Pairs:
    """Rows by id; an image on one side only is an error."""
    ours, theirs = (side.column("id").to_pylist() for side in (candidate, baseline))
    first, second = aligned(ours, theirs)
    return Pairs(candidate.take(first), baseline.take(second))


@dataclass(frozen=True)
class Numbers:
    """One metric of each image on both sides; NaN where the pair cannot be compared."""

    candidate: Floats
    baseline: Floats
    lost: np.ndarray[tuple[int], np.dtype[np.bool_]]
    """Where the baseline was measured, or was identical to the truth, and the candidate is not."""


def numbers_of(pairs: Pairs, metric: ProtocolMetric) -> Numbers:
    """What is averaged, by image: NaN for an image left out, infinite for one that equals its truth."""
    ours, theirs = (numbers_of_side(side, metric) for side in (pairs.candidate, pairs.baseline))
    lost = (np.isnan(ours) & ~np.isnan(theirs)) | (np.isinf(theirs) & ~np.isinf(ours))
    finite = np.isfinite(ours) & np.isfinite(theirs)
    return Numbers(np.where(finite, ours, np.nan), np.where(finite, theirs, np.nan), lost)


def numbers_of_side(rows: pa.Table, metric: ProtocolMetric) -> Floats:
    """What a mean is taken of, in the order of the rows: NaN for what it leaves out, infinite for an identical pair."""
    finaliser = metric.kind.finaliser
    assert isinstance(finaliser, Mean)
    return np.array([finaliser.each(row) for row in rows_of(rows, metric.rows)])
