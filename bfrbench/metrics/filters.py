"""Gaussian filtering of planes, where the window lies whole inside the image."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


def gaussian_taps(sigma: float, radius: int, like: Tensor) -> Tensor:
    """2 * radius + 1 taps that sum to one, in the type and on the device of `like`."""
    import torch

    position = torch.arange(-radius, radius + 1, dtype=torch.float64)
    taps = torch.exp(-(position**2) / (2 * sigma**2))
    return (taps / taps.sum()).to(like)


def smooth(planes: Tensor, taps: Tensor) -> Tensor:
    """N×C×H×W, each plane filtered with the outer product of `taps`; each side becomes `len(taps) - 1` shorter.

    One depthwise convolution: on a CPU it beats two one-dimensional ones, which are bound by memory.
    """
    from torch.nn.functional import conv2d

    channels = planes.shape[1]
    window = taps.outer(taps).expand(channels, 1, len(taps), len(taps)).contiguous()
    return conv2d(planes, window, groups=channels)
