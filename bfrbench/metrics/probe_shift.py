"""A probe for misplacement: by how many pixels the restored image has moved against the ground truth.

One step of least squares on the smoothed luma's gradient: right to a few percent up to about a pixel, and still
large beyond. A symmetric blur does not move it, so a soft restorer is not blamed.
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


class ShiftChoices(Frozen):
    """What the shift probe has to choose."""

    smoothing: float = Field(gt=0, description="deviation in pixels of the Gaussian that both lumas go through first")


def displacement(restored: Tensor, gt: Tensor, choices: ShiftChoices) -> Tensor:
    """N×2: how far, in pixels to the right and down, the restored image lies from the ground truth; NaN if flat."""
    import torch

    radius = round(3 * choices.smoothing)
    sides = torch.cat([luma(side, "y-full") for side in (restored, gt)])
    if min(sides.shape[-2:]) < 2 * radius + 3:
        return torch.full((len(gt), 2), torch.nan)
    ours, theirs = smooth(sides, gaussian(choices.smoothing, radius)).squeeze(1).double().chunk(2)
    across = (theirs[:, 1:-1, 2:] - theirs[:, 1:-1, :-2]) / 2
    down = (theirs[:, 2:, 1:-1] - theirs[:, :-2, 1:-1]) / 2
    change = ours[:, 1:-1, 1:-1] - theirs[:, 1:-1, 1:-1]
    change = change - change.mean((1, 2), keepdim=True)
    slopes = torch.stack([across.flatten(1), down.flatten(1)], 1)
    normal = slopes @ slopes.mT
    flat = torch.linalg.det(normal) <= 1e-9
    normal[flat] = torch.eye(2, dtype=normal.dtype, device=normal.device)
    moved: Tensor = -torch.linalg.solve(normal, slopes @ change.flatten(1).unsqueeze(2)).squeeze(2)
    moved[flat] = torch.nan
    return moved


class ProbeShift(Kind[ShiftChoices]):
    """Mean over images of the distance moved, in pixels."""

    Choices = ShiftChoices

    def open(self, store: WeightStore | None, device: str) -> Measure:
        return Paired(lambda restored, gt: displacement(restored, gt, self.choices).square().sum(1).sqrt())
