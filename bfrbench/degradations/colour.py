"""Colour operations of the exact road on float64 RGB images with grey levels 0–255."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    Array = npt.NDArray[np.float64]

_LUMA = (0.299, 0.587, 0.114)
"""OpenCV's weights."""
_TORCHVISION_LUMA = (0.2989, 0.587, 0.114)


def luma(image: Array, weights: tuple[float, float, float] = _LUMA) -> Array:
    red, green, blue = weights
    return image[..., 0] * red + image[..., 1] * green + image[..., 2] * blue


def grey(image: Array) -> Array:
    return np.repeat(luma(image)[..., None], 3, axis=2)


def shift(image: Array, args: Mapping[str, Any]) -> Array:
    return _clip(image + np.array([args["red"], args["green"], args["blue"]]))


def haze(image: Array, args: Mapping[str, Any]) -> Array:
    return image * args["alpha"] + 255.0 * (1.0 - args["alpha"])


def light(image: Array, args: Mapping[str, Any]) -> Array:
    return _clip(image * gains(image.shape[0], image.shape[1], args["gain"], args["angle"])[..., None])


def gains(height: int, width: int, gain: float, angle: float) -> Array:
    """From `gain` to 1 along a direction, linear, the corners at the ends."""
    x = (np.arange(width) + 0.5) / width - 0.5
    y = (np.arange(height) + 0.5) / height - 0.5
    across, down = math.cos(math.radians(angle)), math.sin(math.radians(angle))
    place = (x[None, :] * across + y[:, None] * down) / (abs(across) + abs(down)) + 0.5
    return gain + (1.0 - gain) * place


def jitter(image: Array, args: Mapping[str, Any]) -> Array:
    for change in args["order"]:
        image = _JITTERS[change](image, args[change])
    return image


def _brightness(image: Array, factor: float) -> Array:
    return _clip(image * factor)


def _contrast(image: Array, factor: float) -> Array:
    return _blend(image, luma(image, _TORCHVISION_LUMA).mean(), factor)


def _saturation(image: Array, factor: float) -> Array:
    return _blend(image, luma(image, _TORCHVISION_LUMA)[..., None], factor)


def _hue(image: Array, turn: float) -> Array:
    """Through hue, saturation, value and back; a turn of 1 is the full circle."""
    high, low = image.max(2), image.min(2)
    spread = high - low
    safe = np.where(spread == 0, 1.0, spread)
    red, green, blue = np.moveaxis((high[..., None] - image) / safe[..., None], 2, 0)
    is_red, is_green = image[..., 0] == high, image[..., 1] == high
    hue = np.where(is_red, blue - green, np.where(is_green, 2.0 + red - blue, 4.0 + green - red)) / 6.0
    hue = np.where(spread == 0, 0.0, hue) + turn
    # f(n) of the usual HSV formula: each channel is the value less a clipped triangle of the hue.
    sector = (np.array([5.0, 3.0, 1.0]) + (hue[..., None] * 6.0)) % 6.0
    return high[..., None] - spread[..., None] * np.clip(np.minimum(sector, 4.0 - sector), 0.0, 1.0)


def _blend(image: Array, other: Any, factor: float) -> Array:
    return _clip(factor * image + (1.0 - factor) * other)


def _clip(image: Array) -> Array:
    return np.clip(image, 0.0, 255.0)


_JITTERS: dict[str, Callable[[Array, float], Array]] = {
    "brightness": _brightness,
    "contrast": _contrast,
    "saturation": _saturation,
    "hue": _hue,
}
