"""A probe for sharpness: the energy of fine detail against the ground truth's, in octaves.

It does not ask whether the detail is right: -1 is half the ground truth's energy, +1 twice as much.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from bfrbench.config import Frozen
from bfrbench.metrics.filters import gaussian, smooth
from bfrbench.metrics.kind import Kind, Measure
from bfrbench.metrics.per_image import Paired
from bfrbench.metrics.planes import luma

if TYPE_CHECKING:
    from torch import Tensor

    from bfrbench.weights import WeightStore


class SharpnessChoices(Frozen):
    """What the sharpness probe has to choose."""

    scale: float = Field(gt=0, description="detail is what a Gaussian of this deviation, in pixels, takes away")
    floor: float = Field(
        gt=0, description="squared levels added to both energies, so that flat images compare as equal"
    )


def sharpness_ratio(restored: Tensor, gt: Tensor, choices: SharpnessChoices) -> Tensor:
    import torch

    radius = max(1, round(3 * choices.scale))
    sides = torch.cat([luma(side, "y-full") for side in (restored, gt)])
    if min(sides.shape[-2:]) < 2 * radius + 1:
        return torch.full((len(gt),), torch.nan)
    soft = smooth(sides, gaussian(choices.scale, radius))
    detail = sides[..., radius:-radius, radius:-radius] - soft
    ours, theirs = (detail.square().mean((1, 2, 3), dtype=torch.float64) + choices.floor).chunk(2)
    return torch.log2(ours / theirs)


class ProbeSharpness(Kind[SharpnessChoices]):
    """Mean over images of log2 of the ratio of detail energies; 0 is as sharp as the ground truth."""

    Choices = SharpnessChoices

    def open(self, store: WeightStore | None, device: str) -> Measure:
        return Paired(lambda restored, gt: sharpness_ratio(restored, gt, self.choices))
