"""IndRMSE (PMRF): the distance to what a posterior-mean estimator makes of the same input, on sets without truth.

For any restorer the error against the truth is this distance plus the estimator's own error (in squares), so it
orders restorers as the unknown error would.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pydantic import Field

from bfrbench.config import Frozen
from bfrbench.contracts import Row, Scored
from bfrbench.errors import UsageError
from bfrbench.metrics.finaliser import Finaliser
from bfrbench.metrics.kind import Kind, Measure
from bfrbench.metrics.mean import Mean
from bfrbench.metrics.per_image import as_rows

if TYPE_CHECKING:
    from bfrbench.weights import WeightStore


class IndRmseChoices(Frozen):
    """What IndRMSE has to choose."""

    levels: int = Field(ge=1, description="the value of white: 255 as PMRF's script computes it")


class SquaredDistance:
    """One row per image: the mean squared difference."""

    def __init__(self, levels: int) -> None:
        self._levels = levels

    def rows(self, batch: Scored) -> Sequence[Row]:
        import torch

        if batch.posterior_mean is None:
            problem = "IndRMSE was given no output of a posterior-mean estimator"
            raise UsageError(problem, "give a folder with --posterior-mean, or leave the metric out")
        apart = (batch.restored - batch.posterior_mean) * self._levels
        return as_rows(batch, apart.square().mean((1, 2, 3), dtype=torch.float64))


class RootMean(Mean):
    """The root of the mean: squares are averaged over images first."""

    def combine(self, values: list[float]) -> float:
        return math.sqrt(super().combine(values))


class IndRmse(Kind[IndRmseChoices]):
    """The root of the mean squared distance over images."""

    Choices = IndRmseChoices

    def open(self, store: WeightStore | None, device: str) -> Measure:
        return SquaredDistance(self.choices.levels)

    @property
    def finaliser(self) -> Finaliser[Any]:
        return RootMean(self.failure)
