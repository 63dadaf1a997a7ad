"""Brightness and colour for GPEN's colorization; the inputs of the other tasks are made by degradation recipes."""

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
