"""A probe for brightness faults: the mean level of the restored image minus the ground truth's, with its sign.

Truncation instead of rounding shows as half a level too dark in every image.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from bfrbench.config import Frozen
from bfrbench.metrics.kind import Kind, Measure
from bfrbench.metrics.per_image import Paired
from bfrbench.metrics.planes import Colour, luma

if TYPE_CHECKING:
    from torch import Tensor

    from bfrbench.weights import WeightStore


class LevelChoices(Frozen):
    """What the level probe has to choose."""

    colour: Colour = Field(description="whose mean level: rgb is the mean of the three channels, else that luma")


def level_shift(restored: Tensor, gt: Tensor, choices: LevelChoices) -> Tensor:
    import torch

    ours, theirs = (luma(side, choices.colour) for side in (restored, gt))
    return (ours - theirs).mean((1, 2, 3), dtype=torch.float64)


class ProbeLevel(Kind[LevelChoices]):
    """Mean over images of the level shift, in levels of 0-255; 0 is right, negative is too dark."""

    Choices = LevelChoices

    def open(self, store: WeightStore | None, device: str) -> Measure:
        return Paired(lambda restored, gt: level_shift(restored, gt, self.choices))
