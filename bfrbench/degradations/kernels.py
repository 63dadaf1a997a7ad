"""Blur kernels as BasicSR and Real-ESRGAN define them, in float64, normalised to sum 1."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    Kernel = npt.NDArray[np.float64]

_SHARP = 1e-3
"""Below this sigma, in pixels, a Gaussian is a point."""
_NOTHING = 1e-14
"""Taps below this share of the largest are zero: they change no bit of a result, but slow processors down."""
_SUBSAMPLES = 16


def kernel_of(op: str, args: Mapping[str, Any]) -> Kernel:
    """The kernel of a drawn blur, sinc, motion or defocus."""
    if op == "sinc":
        return sinc(args["size"], args["cutoff"])
    if op == "motion":
        return motion(args["length"], args["angle"])
    if op == "defocus":
        return defocus(args["radius"])
    sigma_x = args.get("sigma_x", args.get("sigma"))
    sigma_y = args.get("sigma_y", sigma_x)
    distance = _mahalanobis(args["size"], sigma_x, sigma_y, args.get("rotation", 0.0))
    if args["kernel"].startswith("generalized"):
        return _normalised(np.exp(-0.5 * distance ** args["beta"]))
    if args["kernel"].startswith("plateau"):
        return _normalised(1.0 / (distance ** args["beta"] + 1.0))
    return _normalised(np.exp(-0.5 * distance))


def gaussian_1d(size: int, sigma: float) -> Kernel:
    """The factor of the isotropic Gaussian along one axis."""
    at = np.arange(size) - size // 2
    return _normalised(np.exp(-0.5 * (at / max(sigma, _SHARP)) ** 2))


def sinc(size: int, cutoff: float) -> Kernel:
    from scipy.special import j1

    at = np.arange(size) - (size - 1) / 2
    radius = np.hypot(at[:, None], at[None, :])
    radius[radius == 0] = 1.0
    ring = cutoff * j1(cutoff * radius) / (2 * math.pi * radius)
    ring[size // 2, size // 2] = cutoff**2 / (4 * math.pi)
    return _normalised(ring)


def motion(length: float, angle: float) -> Kernel:
    """A line through the centre, of even density, laid on the pixels bilinearly."""
    half = math.ceil(max(length, 0.0) / 2)
    kernel = np.zeros((2 * half + 3, 2 * half + 3))
    along = np.linspace(-length / 2, length / 2, _SUBSAMPLES * (2 * half + 1) + 1)
    x = along * math.cos(math.radians(angle)) + half + 1
    y = along * math.sin(math.radians(angle)) + half + 1
    left, top = np.floor(x).astype(int), np.floor(y).astype(int)
    for down, right in ((0, 0), (0, 1), (1, 0), (1, 1)):
        weight = np.abs(1 - right - (x - left)) * np.abs(1 - down - (y - top))
        np.add.at(kernel, (np.minimum(top + down, 2 * half + 2), np.minimum(left + right, 2 * half + 2)), weight)
    return _normalised(kernel)


def defocus(radius: float) -> Kernel:
    """A disc; border pixels count by how much of them lies inside."""
    half = math.ceil(radius)
    side = 2 * half + 1
    at = (np.arange(side * _SUBSAMPLES) + 0.5) / _SUBSAMPLES - side / 2
    inside = at[:, None] ** 2 + at[None, :] ** 2 <= max(radius, 0.5) ** 2
    return _normalised(inside.reshape(side, _SUBSAMPLES, side, _SUBSAMPLES).sum((1, 3)).astype(np.float64))


def _mahalanobis(size: int, sigma_x: float, sigma_y: float, rotation: float) -> Kernel:
    """The squared distance from the centre in standard deviations of the rotated axes."""
    at = np.arange(size, dtype=np.float64) - size // 2
    x, y = at[None, :], at[:, None]
    turn = math.radians(rotation)
    along = (x * math.cos(turn) + y * math.sin(turn)) / max(sigma_x, _SHARP)
    across = (y * math.cos(turn) - x * math.sin(turn)) / max(sigma_y, _SHARP)
    return np.asarray(along**2 + across**2, np.float64)


def _normalised(kernel: Kernel) -> Kernel:
    kernel = np.where(np.abs(kernel) < _NOTHING * np.abs(kernel).max(), 0.0, kernel)
    return np.asarray(kernel / kernel.sum(), np.float64)
