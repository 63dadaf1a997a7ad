"""Consistency with the input: degrade the restored image as the input was, and compare with the input.

An invented face can please every other metric; here it shows, because its own degraded copy is not what was seen.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from bfrbench.config import Frozen
from bfrbench.contracts import Row, Scored
from bfrbench.errors import UsageError
from bfrbench.imaging.convert import from_batch
from bfrbench.metrics.kind import Kind, Measure
from bfrbench.metrics.per_image import as_rows

if TYPE_CHECKING:
    from torch import Tensor

    from bfrbench.contracts import Draw, U8Image
    from bfrbench.weights import WeightStore


_NOISE = ("gaussian", "poisson")


class ConsistencyChoices(Frozen):
    """What consistency has to choose."""

    noise: Literal["same", "none"] = Field(
        description="same: the very noise of the input is added again; none: only blur, resizing, JPEG and colour"
    )
    cap: float = Field(gt=0, description="decibels that a perfect match scores: the true image is exactly consistent")


class Redegraded:
    """One row per image: PSNR over RGB between the degraded output and the input."""

    def __init__(self, choices: ConsistencyChoices) -> None:
        self._choices = choices

    def rows(self, batch: Scored) -> Sequence[Row]:
        import torch

        if batch.draws is None or batch.lq is None:
            problem = "consistency was given no draws of the degradation, or no low-quality images"
            raise UsageError(problem, "score a run of a board with a recipe, or leave the metric out")
        pairs = zip(from_batch(batch.restored), batch.draws, strict=True)
        again = torch.stack([self._degraded(one, draw) for one, draw in pairs]).to(batch.lq.device)
        error = (again - batch.lq).square().mean((1, 2, 3), dtype=torch.float64)
        return as_rows(batch, (-10 * torch.log10(error)).clamp_max(self._choices.cap))

    def _degraded(self, restored: U8Image, draw: Draw) -> Tensor:
        from dataclasses import replace

        from bfrbench.degradations import apply
        from bfrbench.imaging.convert import to_tensor

        if self._choices.noise == "none":
            draw = replace(draw, ops=tuple(op for op in draw.ops if op.name not in _NOISE))
        return to_tensor(apply(restored, draw).lq)


class Consistency(Kind[ConsistencyChoices]):
    """Mean PSNR over images."""

    Choices = ConsistencyChoices

    def open(self, store: WeightStore | None, device: str) -> Measure:
        return Redegraded(self.choices)
