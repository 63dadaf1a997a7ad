"""NIQE (Mittal et al., 2013): how far an image's local statistics are from those of natural ones; no reference.

Written from the paper and checked against pyiqa on real faces. Batched: blocks of all images are fitted together.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from bfrbench.config import Frozen
from bfrbench.errors import WeightsError
from bfrbench.metrics.filters import filtered, gaussian, smooth
from bfrbench.metrics.kind import Kind, Measure
from bfrbench.metrics.per_image import Alone
from bfrbench.metrics.planes import luma, parts

if TYPE_CHECKING:
    from torch import Tensor

    from bfrbench.weights import WeightStore

BLOCK = 96
_RADIUS, _SIGMA = 3, 7 / 6
_HALVING = (-3, -9, 29, 111, 111, 29, -9, -3)
"""MATLAB's imresize by 0.5: the cubic (a = -0.5) stretched over eight pixels, times 256."""


class NiqeChoices(Frozen):
    """What NIQE has to choose."""

    weights: str = Field(description="the weight card of the pristine model")
    colour: Literal["y-full", "y-studio"] = Field(
        description="the luma: y-studio is MATLAB's rgb2ycbcr (BasicSR, the authors), y-full is YIQ (pyiqa)"
    )
    rounded: bool = Field(description="whether luma is rounded to whole levels first")
    crop: int = Field(ge=0, description="pixels cut off at each border")
    window: Literal["float64", "float32"] = Field(
        description="the type the 7×7 window is stored in: in float32 (pyiqa) it sums to 1 + 1.1e-8, so flat areas "
        "count as darker than their mean; in float64 (BasicSR, the authors) they count as neither"
    )


_FLAT = 1e-10
"""Levels nearer than this to their mean are equal to it: what is left is the noise of adding up."""


class Niqe:
    """N numbers from a batch in [0, 1]; NaN where an image has no block of 96 pixels or no texture at all."""

    def __init__(self, choices: NiqeChoices, mean: Tensor, covariance: Tensor, device: str = "cpu") -> None:
        self._choices, self._mean, self._covariance = choices, mean, covariance
        self._shapes, self._ratios = (table.to(device) for table in _fit_table())

    def __call__(self, images: Tensor) -> Tensor:
        import torch

        return torch.cat([self._numbers(part) for part in parts(images)])

    def _numbers(self, images: Tensor) -> Tensor:
        import torch

        plane = luma(images, self._choices.colour).double()
        edge = self._choices.crop
        plane = plane[..., edge : plane.shape[-2] - edge, edge : plane.shape[-1] - edge]
        plane = plane.round() if self._choices.rounded else plane
        down, across = plane.shape[-2] // BLOCK, plane.shape[-1] // BLOCK
        if not down or not across:
            return torch.full((len(images),), torch.nan)
        plane = plane[..., : down * BLOCK, : across * BLOCK]
        fine = self._features(plane, BLOCK)
        coarse = self._features(halved(plane), BLOCK // 2)
        # A few numbers a block: their covariance is turned round on the CPU, in one go and as everywhere.
        return torch.stack([self._distance(one) for one in torch.cat([fine, coarse], 2).cpu()])

    def _features(self, plane: Tensor, side: int) -> Tensor:
        """N × blocks × 18: fits of the normalised levels and of their products with four neighbours."""
        import torch

        level = normalised(plane, self._choices.window)
        blocks = level.unfold(2, side, side).unfold(3, side, side).flatten(0, 3).float()
        shape, left, right = self._fit(blocks)
        found = [shape, (left + right) / 2]
        for shift in ((0, 1), (1, 0), (1, 1), (1, -1)):
            shape, left, right = self._fit(blocks * blocks.roll(shift, (1, 2)))
            middle = (right - left) * torch.exp(torch.lgamma(2 / shape) - torch.lgamma(1 / shape))
            found += [shape, middle, left, right]
        return torch.stack(found, 1).view(len(plane), -1, 18)

    def _fit(self, blocks: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Asymmetric generalised Gaussians by moments: shape, left scale and right scale of each block."""
        import torch

        flat = blocks.flatten(1)
        below, above = flat.clamp_max(0), flat.clamp_min(0)
        lower, upper = (side.square().sum(1, dtype=torch.float64) for side in (below, above))
        left = (lower / (flat < 0).sum(1)).sqrt()
        right = (upper / (flat > 0).sum(1)).sqrt()
        total = (above.sum(1, dtype=torch.float64) - below.sum(1, dtype=torch.float64)) / flat.shape[1]
        ratio, skew = total.square() / ((lower + upper) / flat.shape[1]), left / right
        wanted = ratio * (skew**3 + 1) * (skew + 1) / (skew.square() + 1).square()
        shape = self._nearest_shape(wanted)
        scale = torch.exp((torch.lgamma(1 / shape) - torch.lgamma(3 / shape)) / 2)
        return shape, left * scale, right * scale

    def _nearest_shape(self, wanted: Tensor) -> Tensor:
        """The tabled shape whose ratio is nearest; the table rises, so the neighbours of one place decide."""
        import torch

        above = torch.searchsorted(self._ratios, wanted.nan_to_num(0)).clamp(1, len(self._ratios) - 1)
        below = above - 1
        nearer = (wanted - self._ratios[below]).square() <= (self._ratios[above] - wanted).square()
        shape: Tensor = self._shapes[torch.where(nearer, below, above)]
        return shape.where(~wanted.isnan(), torch.nan)

    def _distance(self, features: Tensor) -> Tensor:
        """Between the image's blocks and the pristine model; blocks without texture are left out."""
        import torch

        whole = features[~features.isnan().any(1)]
        if len(whole) < 2:
            return features.new_full((), torch.nan)
        spread = torch.linalg.pinv((self._covariance + torch.cov(whole.T)) / 2)
        apart = self._mean - features.nanmean(0)
        distance: Tensor = (apart @ spread @ apart).sqrt()
        return distance


def normalised(plane: Tensor, window: Literal["float64", "float32"]) -> Tensor:
    """Each level less its neighbourhood's mean, by its neighbourhood's deviation plus one; borders are repeated."""
    import torch
    from torch.nn.functional import pad

    wide = pad(plane, (_RADIUS,) * 4, mode="replicate")
    taps, both = gaussian(_SIGMA, _RADIUS), torch.cat([wide, wide.square()], 1)
    smoothed = smooth(both, taps) if window == "float64" else filtered(both, taps.outer(taps).float())
    mean, square = smoothed.chunk(2, 1)
    apart = plane - mean
    return apart.where(apart.abs() > _FLAT, 0) / ((square - mean.square()).abs().sqrt() + 1)


def halved(plane: Tensor) -> Tensor:
    """Half the size as MATLAB's imresize does it, borders mirrored."""
    import torch
    from torch.nn.functional import conv2d

    taps = torch.tensor(_HALVING, dtype=plane.dtype, device=plane.device) / 256
    for axis, window in ((2, taps.view(1, 1, -1, 1)), (3, taps.view(1, 1, 1, -1))):
        first, last = (plane.narrow(axis, start, 3).flip(axis) for start in (0, plane.shape[axis] - 3))
        plane = conv2d(torch.cat([first, plane, last], axis), window, stride=(2, 1) if axis == 2 else (1, 2))
    return plane


def _fit_table() -> tuple[Tensor, Tensor]:
    """Shapes from 0.2 to 10 in steps of 0.001, and the ratio of moments that each has."""
    import torch

    shapes = torch.arange(200, 10001, dtype=torch.float64) / 1000
    log = 2 * torch.lgamma(2 / shapes) - torch.lgamma(1 / shapes) - torch.lgamma(3 / shapes)
    return shapes, log.exp()


def read_model(path: Path) -> tuple[Any, Any]:
    """Mean and covariance of the pristine model, from BasicSR's .npz or the authors' .mat."""
    import numpy as np

    from bfrbench.weights.arrays import read_mat, read_npz

    tables, suffix = (read_mat(path), "prisparam") if path.suffix == ".mat" else (read_npz(path), "pris_param")
    if missing := [name for name in (f"mu_{suffix}", f"cov_{suffix}") if name not in tables]:
        raise WeightsError(f"{path} holds no NIQE model: it has no {missing[0]}", "get it again")
    return np.ravel(tables[f"mu_{suffix}"]).astype(np.float64), tables[f"cov_{suffix}"].astype(np.float64)


class NiqeKind(Kind[NiqeChoices]):
    """Mean over images."""

    Choices = NiqeChoices

    @property
    def weights(self) -> tuple[str, ...]:
        return (self.choices.weights,)

    def open(self, store: WeightStore | None, device: str) -> Measure:
        import torch

        from bfrbench.weights import WeightStore

        mean, covariance = read_model((store or WeightStore()).path(self.choices.weights))
        return Alone(Niqe(self.choices, torch.from_numpy(mean), torch.from_numpy(covariance), device))
