"""The input conventions of GPEN's tasks: what a picture looks like when it reaches each network.

Restoration and super-resolution take a degraded face as it is. Colorization takes a grey one, inpainting one with white
strokes where something is to be made up, segmentation-to-face a painted label map.
"""

from __future__ import annotations

import torch
from torch import Tensor

_LUMA = (0.299, 0.587, 0.114)
_CB_CR = ((-0.168736, -0.331264, 0.5), (0.5, -0.418688, -0.081312))


def luma(images: Tensor) -> Tensor:
    """BT.601 brightness [N, 1, H, W]."""
    weights = torch.tensor(_LUMA, device=images.device, dtype=images.dtype)
    return (images * weights[:, None, None]).sum(dim=1, keepdim=True)


def grey(images: Tensor) -> Tensor:
    """Brightness in all three channels."""
    return luma(images).expand_as(images)


def with_luma_of(coloured: Tensor, source: Tensor) -> Tensor:
    """The colours of one picture (Cb, Cr) on the brightness of another."""
    matrix = torch.tensor((_LUMA, *_CB_CR), device=coloured.device, dtype=torch.float64)
    planes = torch.einsum("ij,njhw->nihw", matrix.to(coloured.dtype), coloured)
    planes = torch.cat((luma(source), planes[:, 1:]), dim=1)
    return torch.einsum("ij,njhw->nihw", matrix.inverse().to(coloured.dtype), planes)


def whiten(images: Tensor, mask: Tensor) -> Tensor:
    """White where the mask [N or 1, 1, H, W] is above one half: how inpainting is told what to fill."""
    return torch.where(mask > 0.5, torch.ones_like(images), images)


def strokes(side: int, seed: int, *, count: int = 6, thickness: float = 0.05) -> Tensor:
    """A mask [1, 1, side, side] of seeded brush strokes, each a chain of a few segments."""
    generator = torch.Generator().manual_seed(seed)
    line = (torch.arange(side, dtype=torch.float32) + 0.5) / side
    grid = torch.stack(torch.meshgrid(line, line, indexing="ij"), dim=-1)
    mask = torch.zeros(side, side)
    for _ in range(count):
        point = torch.rand(2, generator=generator)
        for _ in range(4):
            step = (torch.rand(2, generator=generator) - 0.5) * 0.4
            along = ((grid - point) @ step / step.square().sum().clamp_min(1e-12)).clamp(0, 1)
            distance = (grid - point - along[..., None] * step).norm(dim=-1)
            mask = torch.maximum(mask, (distance < thickness / 2).float())
            point = (point + step).clamp(0, 1)
    return mask[None, None]
