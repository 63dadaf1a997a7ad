"""Multi-scale structural similarity (Wang et al., 2003): five scales, each half the one before."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from bfrbench.metrics.kind import Kind, Measure
from bfrbench.metrics.per_image import Paired
from bfrbench.metrics.planes import PlaneChoices, pair
from bfrbench.metrics.ssim import WINDOW, similarity

if TYPE_CHECKING:
    from torch import Tensor

    from bfrbench.weights import WeightStore

EXPONENTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)


class MsSsimChoices(PlaneChoices):
    """What MS-SSIM has to choose besides the planes."""

    odd_sides: Literal["drop", "pad"] = Field(
        description="whether a side of odd length loses its last line before halving, or gets one of zeros on both ends"
    )
    when_small: Literal["fewer-scales", "fail"] = Field(
        description="for images under 176 pixels: as many scales as the window fits, exponents made to sum as before; "
        "or no number"
    )


def ms_ssim(restored: Tensor, gt: Tensor, choices: MsSsimChoices) -> Tensor:
    """N numbers; contrast-structure means below 0 count as 0, so that the powers exist."""
    import torch
    from torch.nn.functional import avg_pool2d

    ours, theirs = pair(restored, gt, choices)
    scales = _scales(min(ours.shape[-2:]))
    if scales == 0 or (scales < len(EXPONENTS) and choices.when_small == "fail"):
        return torch.full((len(ours),), torch.nan)
    stretch = sum(EXPONENTS) / sum(EXPONENTS[:scales])
    product = torch.ones(len(ours), dtype=torch.float64, device=ours.device)
    for scale, exponent in enumerate(EXPONENTS[:scales]):
        whole, structure = similarity(ours, theirs, "zero")
        term = whole if scale == scales - 1 else structure
        product *= term.clamp_min(0) ** (exponent * stretch)
        odd = (ours.shape[-2] % 2, ours.shape[-1] % 2) if choices.odd_sides == "pad" else 0
        ours, theirs = (avg_pool2d(side, 2, padding=odd) for side in (ours, theirs))
    return product


def _scales(side: int) -> int:
    """How many scales the window still fits into."""
    return sum(side // 2**scale >= WINDOW for scale in range(len(EXPONENTS)))


class MsSsim(Kind[MsSsimChoices]):
    """Mean over images of the MS-SSIM against the ground truth."""

    Choices = MsSsimChoices

    def open(self, store: WeightStore | None, device: str) -> Measure:
        return Paired(lambda restored, gt: ms_ssim(restored, gt, self.choices))
