"""Precision and recall (Kynkäänniemi et al., 2019), density and coverage (Naeem et al., 2020), on Inception."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Literal

import numpy as np
from pydantic import Field

from bfrbench.contracts import Row
from bfrbench.metrics.features import Table
from bfrbench.metrics.inception import FEATURE, InceptionKind, ReferenceChoices
from bfrbench.metrics.kid import reference_features
from bfrbench.metrics.kind import Context, Finaliser, Value

if TYPE_CHECKING:
    import numpy.typing as npt

    from bfrbench.metrics.features import F32

_BLOCK = 1024


class CoverageChoices(ReferenceChoices):
    """What these four have to choose besides."""

    what: Literal["precision", "recall", "density", "coverage"] = Field(
        description="precision: restored images inside the real manifold; recall: real ones inside the restored; "
        "density: how many real balls hold a restored image; coverage: real balls that hold any"
    )
    neighbours: int = Field(
        ge=1, description="a ball reaches to this nearest neighbour of its centre, itself not counted"
    )


def radii(features: F32, neighbours: int) -> npt.NDArray[np.float32]:
    """The distance of each feature to its k-th nearest other one."""
    found = [np.partition(block, neighbours, 1)[:, neighbours] for block in _distances(features, features)]
    return np.concatenate(found)


def coverage(restored: F32, real: F32, choices: CoverageChoices) -> float:
    k = choices.neighbours
    if choices.what == "recall":
        balls = radii(restored, k)
        return float(np.concatenate([(block <= balls).any(1) for block in _distances(real, restored)]).mean())
    balls = radii(real, k)
    if choices.what == "coverage":
        nearest = np.concatenate([block.min(1) for block in _distances(real, restored)])
        return float((nearest <= balls).mean())
    inside = np.concatenate([(block <= balls).sum(1) for block in _distances(restored, real)])
    return float((inside > 0).mean() if choices.what == "precision" else inside.sum() / (k * len(restored)))


def _distances(rows: F32, columns: F32) -> Iterator[npt.NDArray[np.float32]]:
    """Euclidean distances, a block of rows at a time."""
    import torch

    wide = torch.from_numpy(columns)
    for start in range(0, len(rows), _BLOCK):
        yield torch.cdist(torch.from_numpy(rows[start : start + _BLOCK]), wide).numpy()


class Manifolds(Finaliser[Table]):
    """Keeps the features: 8 KB an image and side."""

    shares = "inception-table"

    def __init__(self, reference: str | None, choices: CoverageChoices) -> None:
        self._reference, self._choices = reference, choices

    def fold(self, rows: Iterable[Row]) -> Table:
        return Table.of(rows, FEATURE)

    def merge(self, first: Table, second: Table) -> Table:
        return first.merge(second)

    def value(self, state: Table, context: Context) -> Value:
        failed, k = dict(state.failed), self._choices.neighbours
        real = reference_features(state, self._reference, context) if state.n else state.side(0)
        if min(state.n, len(real)) <= k:
            return Value(None, state.n, failed, note=f"{k} neighbours need more than {k} images on both sides")
        value = coverage(state.side(0), real, self._choices)
        return Value(value, state.n, failed, {"reference_n": float(len(real))} | context.left_out)


class Coverage(InceptionKind[CoverageChoices]):
    """One of the four; higher is better for all."""

    Choices = CoverageChoices

    @property
    def reference_features(self) -> bool:
        return True

    @property
    def finaliser(self) -> Finaliser[Table]:
        return Manifolds(self.reference, self.choices)
