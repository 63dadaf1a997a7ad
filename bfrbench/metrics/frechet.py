"""Fréchet distance between Gaussians, streamed: moments that merge as Chan does, and one symmetric eigenvalue problem.

For covariances A = aᵀa and B = bᵀb, the trace of sqrt(AB) is the sum of the singular values of abᵀ. With fewer images
than dimensions `a` is the centred features themselves, so the problem is as small as the smaller set.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from bfrbench.errors import TooLittleMeasured

if TYPE_CHECKING:
    import numpy.typing as npt

    F64 = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Moments:
    """Number, mean and sum of outer products about the mean, in float64."""

    n: int
    mean: F64
    m2: F64

    @classmethod
    def of(cls, features: npt.NDArray[Any]) -> Moments:
        wide = features.astype(np.float64)
        mean = wide.mean(0)
        wide -= mean
        return cls(len(wide), mean, wide.T @ wide)

    def merge(self, other: Moments) -> Moments:
        if not self.n or not other.n:
            return other if not self.n else self
        n = self.n + other.n
        apart = other.mean - self.mean
        m2 = self.m2 + other.m2
        m2 += np.outer(apart, apart) * (self.n * other.n / n)
        return Moments(n, self.mean + apart * (other.n / n), m2)

    def without(self, other: Moments) -> Moments:
        """What is left when `other`, a part of these, is taken away."""
        n = self.n - other.n
        mean = (self.mean * self.n - other.mean * other.n) / n
        apart = other.mean - mean
        return Moments(n, mean, self.m2 - other.m2 - np.outer(apart, apart) * (n * other.n / self.n))


@dataclass(frozen=True)
class Cloud:
    """Features of a set as they stream in: kept as they are while they are fewer than their dimensions, then moments.

    So a small set keeps the cheap form of the distance and a large one a fixed amount of memory.
    """

    features: npt.NDArray[np.float32] | None = None
    moments: Moments | None = None

    @property
    def n(self) -> int:
        if self.moments is not None:
            return self.moments.n
        return 0 if self.features is None else len(self.features)

    def add(self, features: npt.NDArray[np.float32]) -> Cloud:
        return self.merge(Cloud(features)) if len(features) else self

    def merge(self, other: Cloud) -> Cloud:
        if not self.n or not other.n:
            return other if not self.n else self
        if self.features is not None and other.features is not None:
            both = np.concatenate([self.features, other.features])
            return Cloud(both) if len(both) <= both.shape[1] else Cloud(None, Moments.of(both))
        return Cloud(None, self._summed().merge(other._summed()))

    def _summed(self) -> Moments:
        if self.moments is not None:
            return self.moments
        assert self.features is not None
        return Moments.of(self.features)

    @cached_property
    def gaussian(self) -> Gaussian:
        if self.n < 2:
            raise TooLittleMeasured(
                f"a distance between distributions needs two images or more, and there {_are(self.n)}",
                "score more images, or leave the metric out",
            )
        return of_features(self.features) if self.features is not None else of_moments(self._summed())


class Gaussian:
    """Mean and covariance of a set, the covariance as a matrix, as a root (rootᵀ·root), or as both."""

    def __init__(self, n: int | None, mean: F64, *, covariance: F64 | None = None, root: F64 | None = None) -> None:
        if covariance is None and root is None:
            raise ValueError("a Gaussian needs a covariance or a root of it")
        self.n, self.mean = n, mean
        self._covariance, self._root = covariance, root

    @property
    def dimensions(self) -> int:
        return len(self.mean)

    @cached_property
    def covariance(self) -> F64:
        if self._covariance is not None:
            return self._covariance
        assert self._root is not None
        return self._root.T @ self._root

    @cached_property
    def root(self) -> F64:
        """Computed once: by Cholesky, or by eigenvalues where the covariance is singular."""
        return self._root if self._root is not None else covariance_root(self.covariance)

    @cached_property
    def trace(self) -> float:
        if self._covariance is not None:
            return float(np.trace(self._covariance))
        assert self._root is not None
        return float(np.square(self._root).sum())

    @property
    def narrow(self) -> bool:
        """Whether a root with fewer rows than dimensions is at hand."""
        return self._root is not None and len(self._root) < self.dimensions


def of_features(features: npt.NDArray[Any]) -> Gaussian:
    """The Gaussian of a set of features, covariance over N - 1 as everywhere in the field."""
    if len(features) > features.shape[1]:
        return of_moments(Moments.of(features))
    wide = features.astype(np.float64)
    mean = wide.mean(0)
    return Gaussian(len(wide), mean, root=(wide - mean) / np.sqrt(len(wide) - 1))


def of_moments(moments: Moments) -> Gaussian:
    return Gaussian(moments.n, moments.mean, covariance=moments.m2 / (moments.n - 1))


def covariance_root(covariance: F64) -> F64:
    """R with RᵀR = covariance; what rounding made negative counts as zero."""
    import scipy.linalg

    try:
        return np.ascontiguousarray(scipy.linalg.cholesky(covariance, lower=False))
    except scipy.linalg.LinAlgError:
        values, vectors = scipy.linalg.eigh(covariance)
        kept = values > values[-1] * np.finfo(np.float64).eps * len(values)
        return np.ascontiguousarray((vectors[:, kept] * np.sqrt(values[kept])).T)


def frechet(first: Gaussian, second: Gaussian) -> float:
    """The squared Fréchet distance. Roots and covariances that it needs stay with the Gaussians for the next call."""
    apart = first.mean - second.mean
    return float(apart @ apart) + first.trace + second.trace - 2 * _trace_of_root(first, second)


def _trace_of_root(first: Gaussian, second: Gaussian) -> float:
    if first.narrow and second.narrow:
        across = first.root @ second.root.T
        if len(across) > across.shape[1]:
            across = across.T
        gram = across @ across.T
    else:
        small, large = (first, second) if first.narrow else (second, first)
        gram = _between(small.root, large.covariance)
    return sum_of_roots(gram)


def _between(root: F64, covariance: F64) -> F64:
    """Root · covariance · rootᵀ; of a triangular root only the upper triangle is filled, at a quarter of the cost."""
    import scipy.linalg

    if root.shape[0] == root.shape[1] and not np.tril(root, -1).any():
        upper: F64
        upper, _ = scipy.linalg.lapack.dsygst(covariance, root, itype=2, lower=0)
        return upper
    return root @ covariance @ root.T


def sum_of_roots(gram: F64) -> float:
    """Of the eigenvalues of a symmetric matrix given by its upper triangle; torch's library is the fastest at hand."""
    import torch

    values = torch.linalg.eigvalsh(torch.from_numpy(np.ascontiguousarray(gram)), UPLO="U").numpy()
    return float(np.sqrt(np.clip(values, 0, None)).sum())


def cloud_of(blocks: Iterable[npt.NDArray[np.float32]]) -> Cloud:
    cloud = Cloud()
    for block in blocks:
        cloud = cloud.add(block)
    return cloud


def _are(n: int) -> str:
    return "is one" if n == 1 else "are none"
