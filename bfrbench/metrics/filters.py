"""Gaussian filtering of planes, where the window lies whole inside the image."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


def gaussian(sigma: float, radius: int, like: Tensor) -> Tensor:
    """A window of 2 * radius + 1 pixels a side that sums to one, in the type and on the device of `like`."""
    import torch

    position = torch.arange(-radius, radius + 1, dtype=torch.float64)
    taps = torch.exp(-(position**2) / (2 * sigma**2))
    taps /= taps.sum()
    return taps.outer(taps).to(like)


def smooth(planes: Tensor, window: Tensor) -> Tensor:
    """N×C×H×W, each plane filtered with a k×k window; each side becomes k - 1 shorter.

    One depthwise convolution: on a CPU it beats two one-dimensional ones, which are bound by memory.
    """
    from torch.nn.functional import conv2d

    channels = planes.shape[1]
    return conv2d(planes, window.expand(channels, 1, *window.shape).contiguous(), groups=channels)
