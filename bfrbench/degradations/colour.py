"""Colour operations of the exact road on float32 RGB images with grey levels 0–255.

One rounding after each sum and product, pixel by pixel: NumPy gives the same bits everywhere. Means are float64.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    Array = npt.NDArray[np.float32]

_LUMA = (0.299, 0.587, 0.114)
"""OpenCV's weights."""
_TORCHVISION_LUMA = (0.2989, 0.587, 0.114)
_STRIP = 1 << 14
"""Pixels that go together through the steps of a change."""


def luma(image: Array, weights: tuple[float, float, float] = _LUMA) -> Array:
    red, green, blue = (np.float32(weight) for weight in weights)
    return np.asarray(image[..., 0] * red + image[..., 1] * green + image[..., 2] * blue, np.float32)


def grey(image: Array) -> Array:
    return np.repeat(luma(image)[..., None], 3, axis=2)


def shift(image: Array, args: Mapping[str, Any]) -> Array:
    return _clip(image + np.array([args["red"], args["green"], args["blue"]], np.float32))


def haze(image: Array, args: Mapping[str, Any]) -> Array:
    return image * np.float32(args["alpha"]) + np.float32(255.0 * (1.0 - args["alpha"]))


def light(image: Array, args: Mapping[str, Any]) -> Array:
    height, width = image.shape[:2]
    return _clip(image * gains(height, width, args["gain"], args["angle"])[..., None])


def gains(height: int, width: int, gain: float, angle: float) -> Array:
    """From `gain` to 1 along a direction, linear, the corners at the ends."""
    x = (np.arange(width) + 0.5) / width - 0.5
    y = (np.arange(height) + 0.5) / height - 0.5
    across, down = math.cos(math.radians(angle)), math.sin(math.radians(angle))
    place = (x[None, :] * across + y[:, None] * down) / (abs(across) + abs(down)) + 0.5
    return np.asarray(gain + (1.0 - gain) * place, np.float32)


def jitter(image: Array, args: Mapping[str, Any]) -> Array:
    for change in args["order"]:
        image = _JITTERS[change](image, args[change])
    return image


def _brightness(image: Array, factor: float) -> Array:
    return _clip(image * np.float32(factor))


def _contrast(image: Array, factor: float) -> Array:
    return _blend(image, np.float32(luma(image, _TORCHVISION_LUMA).mean(dtype=np.float64)), factor)


def _saturation(image: Array, factor: float) -> Array:
    return _by_strips(lambda strip: _blend(strip, luma(strip, _TORCHVISION_LUMA)[..., None], factor), image)


def _hue(image: Array, turn: float) -> Array:
    """Through hue, saturation, value and back; a turn of 1 is the full circle."""
    return _by_strips(lambda strip: _turned(strip, turn), image)


def _by_strips(change: Callable[[Array], Array], image: Array) -> Array:
    """A change pixel by pixel, a few rows at a time: what it needs in between stays in the cache."""
    result = np.empty_like(image)
    rows = max(1, _STRIP // max(image.shape[1], 1))
    for first in range(0, len(image), rows):
        result[first : first + rows] = change(image[first : first + rows])
    return result


def _turned(image: Array, turn: float) -> Array:
    red, green, blue = cv2.split(image)
    high = np.maximum(np.maximum(red, green), blue)
    spread = high - np.minimum(np.minimum(red, green), blue)
    with np.errstate(divide="ignore", invalid="ignore"):
        hue = np.where(
            red == high,
            (green - blue) / spread,
            np.where(green == high, (blue - red) / spread + np.float32(2), (red - green) / spread + np.float32(4)),
        )
    hue[spread == 0] = 0
    hue += np.float32(turn * 6.0 + 6.0)
    # Each channel is the value less a clipped triangle of the hue, in sixths of the circle.
    six, planes = np.float32(6.0), []
    for offset in (5.0, 3.0, 1.0):
        sector = hue + np.float32(offset)
        sector -= six * np.floor(sector / six)
        triangle = np.clip(np.minimum(sector, np.float32(4.0) - sector), 0, 1)
        planes.append(high - spread * triangle)
    return np.asarray(cv2.merge(planes), np.float32)


def _blend(image: Array, other: Any, factor: float) -> Array:
    mixed = image * np.float32(factor)
    mixed += other * np.float32(1.0 - factor)
    return _clip(mixed)


def _clip(image: Array) -> Array:
    return np.clip(image, 0, 255, out=image)


_JITTERS: dict[str, Callable[[Array, float], Array]] = {
    "brightness": _brightness,
    "contrast": _contrast,
    "saturation": _saturation,
    "hue": _hue,
}
