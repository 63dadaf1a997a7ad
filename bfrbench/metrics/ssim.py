"""Structural similarity with an 11×11 Gaussian window (Wang et al., 2004), per image."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from bfrbench.metrics.filters import gaussian, smooth
from bfrbench.metrics.kind import Kind, Measure
from bfrbench.metrics.per_image import Paired
from bfrbench.metrics.planes import PlaneChoices, pair, parts

if TYPE_CHECKING:
    from torch import Tensor

    from bfrbench.weights import WeightStore

WINDOW, SIGMA = 11, 1.5
_C1, _C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2


class SsimChoices(PlaneChoices):
    """What SSIM has to choose besides the planes."""

    negative: Literal["keep", "zero"] = Field(
        description="whether local contrast-structure terms below 0 are kept or set to 0"
    )


def similarity(ours: Tensor, theirs: Tensor, negative: Literal["keep", "zero"]) -> tuple[Tensor, Tensor]:
    """N means of SSIM and N of its contrast-structure term, over planes of 0-255.

    Both sides are moved by the middle level first: variances are then small differences of small numbers, and
    float32 holds them (the means get the level back).
    """
    import torch

    found = [_means(a, b, negative) for a, b in zip(parts(ours), parts(theirs), strict=True)]
    whole, structure = torch.cat(found, 1)
    return whole, structure


def _means(ours: Tensor, theirs: Tensor, negative: Literal["keep", "zero"]) -> Tensor:
    """2×N: both are averaged together, because torch adds up a single number in another order for more threads."""
    import torch

    middle = 127.5
    a, b = ours - middle, theirs - middle
    squares = (a * a).addcmul_(b, b)
    moments = smooth(torch.cat([a, b, squares, a * b], 1), gaussian(SIGMA, WINDOW // 2))
    mean_a, mean_b, squares, product = moments.chunk(4, 1)
    covariance = product.addcmul_(mean_a, mean_b, value=-1).mul_(2).add_(_C2)
    variances = squares.addcmul_(mean_a, mean_a, value=-1).addcmul_(mean_b, mean_b, value=-1).add_(_C2)
    maps = covariance.new_empty(2, *covariance.shape)
    structure = torch.div(covariance, variances, out=maps[1])
    if negative == "zero":
        structure = structure.clamp_min_(0)
    mean_a, mean_b = mean_a.add_(middle), mean_b.add_(middle)
    luminance = (mean_a * mean_b).mul_(2).add_(_C1)
    luminance /= mean_a.square_().addcmul_(mean_b, mean_b).add_(_C1)
    torch.mul(luminance, structure, out=maps[0])
    return maps.mean((2, 3, 4), dtype=torch.float64)


def ssim(restored: Tensor, gt: Tensor, choices: SsimChoices) -> Tensor:
    import torch

    ours, theirs = pair(restored, gt, choices)
    if min(ours.shape[-2:]) < WINDOW:
        return torch.full((len(ours),), torch.nan)
    return similarity(ours, theirs, choices.negative)[0]


class Ssim(Kind[SsimChoices]):
    """Mean over images of the SSIM against the ground truth."""

    Choices = SsimChoices

    def open(self, store: WeightStore | None, device: str) -> Measure:
        return Paired(lambda restored, gt: ssim(restored, gt, self.choices))
