"""Gaussian filtering of planes, where the window lies whole inside the image."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


def gaussian(sigma: float, radius: int) -> Tensor:
    """2 * radius + 1 taps of float64 that sum to one."""
    import torch

    position = torch.arange(-radius, radius + 1, dtype=torch.float64)
    taps = torch.exp(-(position**2) / (2 * sigma**2))
    return taps / taps.sum()


def smooth(planes: Tensor, taps: Tensor) -> Tensor:
    """N×C×H×W, each plane filtered down and across with k taps; each side becomes k - 1 shorter.

    On a CPU by OpenCV, whose rows stay in the cache: a depthwise convolution takes 6 times as long in float32, and 60
    times in float64.
    """
    if planes.device.type != "cpu":
        return filtered(planes, taps.outer(taps))
    import cv2
    import numpy as np
    import torch

    reach, kernel = len(taps) // 2, taps.numpy()
    height, width = planes.shape[-2:]
    found = [
        cv2.sepFilter2D(plane, -1, kernel, kernel)[reach : height - reach, reach : width - reach]
        for plane in planes.flatten(0, 1).contiguous().numpy()
    ]
    return torch.from_numpy(np.stack(found)).view(*planes.shape[:2], *found[0].shape)


def filtered(planes: Tensor, window: Tensor) -> Tensor:
    """The same with any k×k window, by one depthwise convolution."""
    from torch.nn.functional import conv2d

    channels = planes.shape[1]
    return conv2d(planes, window.to(planes).expand(channels, 1, *window.shape).contiguous(), groups=channels)
