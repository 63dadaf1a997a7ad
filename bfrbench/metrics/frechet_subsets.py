"""The Fréchet distance of many subsets of the same features: products of all pairs once, then only small problems.

A subset's centred features are rows of the whole set's, moved by one vector. So the matrix whose eigenvalues are
asked for is cut out of one N×N product and centred; nothing of the features' length is multiplied again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from bfrbench.contracts import Row
from bfrbench.metrics.frechet import Gaussian, frechet, of_features, sum_of_roots

if TYPE_CHECKING:
    import numpy.typing as npt

    from bfrbench.metrics.frechet import F64

LARGEST = 4096
"""Features whose products of all pairs are kept: 128 MiB at most."""


@dataclass(frozen=True)
class Features:
    """The sound rows of a set, and where each row of the set lies among them (-1 for one that failed)."""

    restored: npt.NDArray[np.float32]
    gt: npt.NDArray[np.float32] | None
    at: npt.NDArray[np.intp]

    @classmethod
    def of(cls, rows: Sequence[Row], shape: tuple[int, int], *, both: bool) -> Features:
        found = [row.feature if row.status == "ok" else None for row in rows]
        sound = np.array([one is not None and bool(np.isfinite(one).all()) for one in found])
        fine = [one for one, good in zip(found, sound, strict=True) if one is not None and good]
        kept = np.stack([one.reshape(shape) for one in fine])
        return cls(kept[:, 0], kept[:, 1] if both else None, np.where(sound, np.cumsum(sound) - 1, -1))

    def chosen(self, positions: npt.NDArray[Any]) -> npt.NDArray[np.intp]:
        found: npt.NDArray[np.intp] = self.at[positions]
        return found[found >= 0]


def distances(features: Features, reference: Gaussian | None) -> Callable[[npt.NDArray[Any]], float]:
    """The distance over the rows at some positions: to the ground truth of the same rows, or to `reference`."""
    by_products = _by_products(features, reference) if len(features.restored) <= LARGEST else None
    dimensions = features.restored.shape[1]

    def distance(positions: npt.NDArray[Any]) -> float:
        chosen = features.chosen(positions)
        if len(chosen) < 2:
            return float("nan")
        if by_products is not None and len(chosen) <= dimensions:
            return by_products(chosen)
        against = reference
        if against is None:
            assert features.gt is not None
            against = of_features(features.gt[chosen])
        return frechet(of_features(features.restored[chosen]), against)

    return distance


def _by_products(features: Features, reference: Gaussian | None) -> Callable[[npt.NDArray[np.intp]], float]:
    ours = _Side.of(features.restored)
    theirs = None if features.gt is None or reference is not None else _Side.of(features.gt)
    if theirs is not None:
        products = ours.centred @ theirs.centred.T
    else:
        assert reference is not None
        products = ours.centred @ reference.covariance @ ours.centred.T

    def distance(chosen: npt.NDArray[np.intp]) -> float:
        mean, trace = ours.gaussian(chosen)
        cut = _centred(products[np.ix_(chosen, chosen)]) / (len(chosen) - 1)
        if theirs is not None:
            other, other_trace = theirs.gaussian(chosen)
            cut = cut @ cut.T
        else:
            assert reference is not None
            other, other_trace = reference.mean, reference.trace
        apart = mean - other
        return float(apart @ apart) + trace + other_trace - 2 * sum_of_roots(cut)

    return distance


@dataclass(frozen=True)
class _Side:
    """Features about their mean, which keeps the digits that a subset's own mean would cost."""

    mean: F64
    centred: F64
    squares: F64

    @classmethod
    def of(cls, features: npt.NDArray[np.float32]) -> _Side:
        wide = features.astype(np.float64)
        mean = wide.mean(0)
        wide -= mean
        return cls(mean, wide, np.einsum("nd,nd->n", wide, wide))

    def gaussian(self, chosen: npt.NDArray[np.intp]) -> tuple[F64, float]:
        """Mean and trace of the covariance."""
        moved = self.centred[chosen].mean(0)
        trace = (self.squares[chosen].sum() - len(chosen) * (moved @ moved)) / (len(chosen) - 1)
        return self.mean + moved, float(trace)


def _centred(products: F64) -> F64:
    """Of features about their own means, from products of features about any point."""
    products -= products.mean(0)
    products -= products.mean(1, keepdims=True)
    return products
