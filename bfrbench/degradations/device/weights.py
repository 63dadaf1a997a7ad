"""OpenCV's resize weights in closed form, for a batch whose images all have their own sizes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import Tensor

_CUBIC = -0.75
"""OpenCV's."""


def resize_weights(sources: Sequence[int], targets: Sequence[int], method: str, device: torch.device) -> Tensor:
    """N × max(targets) × max(sources): each row sums to 1 over the pixels it looks at, rows beyond are zero."""
    source = torch.tensor(sources, dtype=torch.float64, device=device)[:, None]
    target = torch.tensor(targets, dtype=torch.float64, device=device)[:, None]
    at = torch.arange(max(targets), dtype=torch.float64, device=device)[None]
    step = 1 / (target / source)  # OpenCV's way round: the last bit decides what is floored
    if method == "area":
        weights = torch.where(
            (step >= 1)[..., None],
            _area(at, step, max(sources)),
            _area_enlarged(at, step, source, target, max(sources)),
        )
    else:
        taps = _cubic if method == "cubic" else _linear
        weights = _laid(*taps((at + 0.5) * step - 0.5), source, max(sources))
    weights = weights * (at < target)[..., None]
    return weights.float()


def _linear(place: Tensor) -> tuple[Tensor, Tensor]:
    first = place.floor()
    part = place - first
    return first[..., None] + torch.arange(2, device=place.device), torch.stack([1 - part, part], -1)


def _cubic(place: Tensor) -> tuple[Tensor, Tensor]:
    first = place.floor()
    part = place - first
    a = _CUBIC
    outer = ((a * (part + 1) - 5 * a) * (part + 1) + 8 * a) * (part + 1) - 4 * a
    inner = ((a + 2) * part - (a + 3)) * part * part + 1
    mirror = 1 - part
    other = ((a + 2) * mirror - (a + 3)) * mirror * mirror + 1
    weights = torch.stack([outer, inner, other, 1 - outer - inner - other], -1)
    return first[..., None] + torch.arange(-1, 3, device=place.device), weights


def _area(at: Tensor, step: Tensor, longest: int) -> Tensor:
    """How much of each source pixel lies in each target cell."""
    pixel = torch.arange(longest, dtype=at.dtype, device=at.device)
    begin, end = (at * step)[..., None], ((at + 1) * step)[..., None]
    overlap = (torch.minimum(end, pixel + 1) - torch.maximum(begin, pixel)).clamp(min=0)
    return overlap / step[..., None]


def _area_enlarged(at: Tensor, step: Tensor, source: Tensor, target: Tensor, longest: int) -> Tensor:
    """What OpenCV does instead when the image grows: linear, but only across the borders of source pixels."""
    first = (at * step).floor()
    part = ((at + 1) - (first + 1) * (target / source)).float().double()
    part = torch.where(part <= 0, 0, part - part.floor())
    places = first[..., None] + torch.arange(2, device=at.device)
    return _laid(places, torch.stack([1 - part, part], -1), source, longest)


def _laid(places: Tensor, weights: Tensor, source: Tensor, longest: int) -> Tensor:
    """Taps as rows of a matrix; places beyond a border count for the border pixel."""
    places = torch.minimum(places.clamp(min=0), source[..., None] - 1).long()
    laid = torch.zeros(*weights.shape[:2], longest, dtype=weights.dtype, device=weights.device)
    return laid.scatter_add_(2, places, weights)
