"""Peak signal-to-noise ratio, in decibels, per image."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from bfrbench.metrics.kind import Kind, Measure
from bfrbench.metrics.per_image import Paired
from bfrbench.metrics.planes import PlaneChoices, pair

if TYPE_CHECKING:
    from torch import Tensor

    from bfrbench.weights import WeightStore


class PsnrChoices(PlaneChoices):
    """What PSNR has to choose."""

    epsilon: float = Field(
        ge=0, description="added to the squared error of a [0, 1] image; 1e-8 caps identical images at 80 dB"
    )


def psnr(restored: Tensor, gt: Tensor, choices: PsnrChoices) -> Tensor:
    """N numbers; infinite for identical images when epsilon is 0."""
    import torch

    ours, theirs = pair(restored, gt, choices)
    error = (ours - theirs).square_().mean((1, 2, 3), dtype=torch.float64) / 255**2
    return -10 * torch.log10(error + choices.epsilon)


class Psnr(Kind[PsnrChoices]):
    """Mean over images of the PSNR against the ground truth."""

    Choices = PsnrChoices

    def open(self, store: WeightStore | None, device: str) -> Measure:
        return Paired(lambda restored, gt: psnr(restored, gt, self.choices))
