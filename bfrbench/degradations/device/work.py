"""An image on its way along the device road, rounding that lets gradients pass, and padding to a common canvas."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import Tensor


@dataclass
class Work:
    """3×h×w, grey levels 0–255."""

    image: Tensor
    target: Tensor
    noise_key: int
    field: int = 0
    labels: Tensor | None = None


def rounded(x: Tensor) -> Tensor:
    """To the nearest whole number; the gradient is that of the identity."""
    return x + (x.round() - x).detach()


def floored(x: Tensor) -> Tensor:
    return x + (x.floor() - x).detach()


def stacked(images: Sequence[Tensor]) -> Tensor:
    """Images of any sizes in the top left of one canvas, zero elsewhere."""
    if len({image.shape for image in images}) == 1:
        return torch.stack(list(images))
    height, width = max(image.shape[1] for image in images), max(image.shape[2] for image in images)
    pad = torch.nn.functional.pad
    return torch.stack([pad(image, (0, width - image.shape[2], 0, height - image.shape[1])) for image in images])


def held(image: Tensor, height: int, width: int) -> Tensor:
    """Grown (or cut) to a canvas by repeating the last row and column."""
    rows = torch.arange(height, device=image.device).clamp_(max=image.shape[1] - 1)
    columns = torch.arange(width, device=image.device).clamp_(max=image.shape[2] - 1)
    return image[:, rows][:, :, columns]
