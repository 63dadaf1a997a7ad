"""A probe for colour faults: how far the mean colour of the restored image is from the ground truth's.

Swapped channels, a wrong gamma and a lost range show here at once, whatever the sharpness of the result.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from bfrbench.config import Frozen
from bfrbench.metrics.kind import Kind, Measure
from bfrbench.metrics.per_image import Paired

if TYPE_CHECKING:
    from torch import Tensor

    from bfrbench.weights import WeightStore


class ColourChoices(Frozen):
    """What the colour probe has to choose."""

    grid: int = Field(ge=1, description="the image is cut into grid × grid cells and their mean colours are compared")


def colour_shift(restored: Tensor, gt: Tensor, choices: ColourChoices) -> Tensor:
    """Root mean square over cells and channels of the difference in mean colour, in levels of 0-255."""
    from torch.nn.functional import adaptive_avg_pool2d

    cells = adaptive_avg_pool2d((restored - gt) * 255, choices.grid)
    return cells.square().mean((1, 2, 3)).sqrt()


class ProbeColour(Kind[ColourChoices]):
    """Mean over images of the colour shift, in levels of 0-255."""

    Choices = ColourChoices

    def open(self, store: WeightStore | None, device: str) -> Measure:
        return Paired(lambda restored, gt: colour_shift(restored, gt, self.choices))
