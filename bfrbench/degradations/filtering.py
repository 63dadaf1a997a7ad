"""Blur and resize on the exact road: OpenCV's filters and weights, in float64, without computing what is thrown away.

A resize is a matrix on each axis, read off OpenCV itself, and a blur is a sum of separable filters (one for an
isotropic Gaussian, a few for others). A blur followed by a resize therefore needs only the rows and columns
that the resize looks at. Where that does not pay, the blur is done at full size.
Sums are float64, so that their order, which differs between machines, moves no rounding; results are float32.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import cv2
import numpy as np

from bfrbench.degradations.separable import Window, filtered, scratch, separate

if TYPE_CHECKING:
    import numpy.typing as npt

    Array = npt.NDArray[np.float64]
    U8Image = npt.NDArray[np.uint8]
    Levels = npt.NDArray[np.float32]
    Image = npt.NDArray[np.uint8] | Levels

INTERPOLATIONS = {"linear": cv2.INTER_LINEAR, "area": cv2.INTER_AREA, "cubic": cv2.INTER_CUBIC}
_DROPPED = 1e-5
"""How much of a kernel's absolute sum its separable form may miss; seen: 0.00001 grey levels."""
_FULL_SIZE_COST = 320.0
"""From here on, in multiplications a pixel, a blur and its resize are two steps. Part of the promise of equal bytes:
blurring first rounds to float32 in between."""


def resize(image: Image, size: tuple[int, int], method: str) -> Levels:
    """To (height, width)."""
    return _resized(image, size, method).astype(np.float32)


def resize_rounded(image: Image, size: tuple[int, int], method: str) -> U8Image:
    """The same, at once as 8-bit levels."""
    return to_uint8(_resized(image, size, method))


def to_uint8(image: Image | Array) -> U8Image:
    """Rounded to the nearest, half to even, and clipped."""
    if image.dtype == np.uint8:
        return image  # type: ignore[return-value]
    return np.asarray(cv2.add(image, 0.0, dtype=cv2.CV_8U), np.uint8).reshape(image.shape)  # type: ignore[call-overload]


def _resized(image: Image, size: tuple[int, int], method: str) -> Array:
    """Float64, in memory that the next call takes again."""
    precise = scratch("precise", image.shape)
    np.copyto(precise, image)
    if image.shape[:2] == size:
        return precise
    result = scratch("resized", (*size, *image.shape[2:]))
    cv2.resize(precise, size[::-1], dst=result, interpolation=INTERPOLATIONS[method])
    return result


def blur(image: Image, kernel: Array) -> Levels:
    """By filter2D: beyond 11 × 11 taps a float64 Fourier transform, below it float32 sums in the order of the taps."""
    border = cv2.BORDER_REFLECT_101
    return np.asarray(cv2.filter2D(image.astype(np.float32), -1, kernel, borderType=border), np.float32)


def blur_resize(image: Image, kernel: Array, size: tuple[int, int], method: str) -> Levels:
    """The same as `blur` and `resize`, to about 1e-5 grey levels."""
    (height, width), reach = image.shape[:2], kernel.shape[0] // 2
    rows, columns = window(height, size[0], method), window(width, size[1], method)
    cost = _cost(rows, columns, kernel.shape[0], image.shape)
    if min(height, width) <= reach or cost > _FULL_SIZE_COST:
        return resize(blur(image, kernel), size, method)
    filters = separate(trimmed(kernel), _DROPPED)
    if len(filters[0]) * cost > _FULL_SIZE_COST:
        return resize(blur(image, kernel), size, method)
    return filtered(image, filters, rows, columns)


def trimmed(kernel: Array) -> Array:
    """Without the rows and columns of nothing around it; its centre stays where it is."""
    (down, across), half = np.nonzero(kernel), kernel.shape[0] // 2
    reach_down, reach_across = (int(np.abs(at - half).max()) for at in (down, across))
    return kernel[half - reach_down : half + reach_down + 1, half - reach_across : half + reach_across + 1]


@lru_cache(maxsize=2048)
def window(source: int, target: int, method: str) -> Window:
    """The weights with which OpenCV makes `target` pixels of `source`: what it does to the identity matrix."""
    if source == target:
        return Window(np.arange(source), np.ones((source, 1)))
    matrix = np.asarray(cv2.resize(np.eye(source), (source, target), interpolation=INTERPOLATIONS[method]), np.float64)
    first = (matrix != 0).argmax(1)
    taps = int((source - (matrix != 0)[:, ::-1].argmax(1) - first).max())
    starts = np.minimum(first, source - taps)
    return Window(starts, np.take_along_axis(matrix, starts[:, None] + np.arange(taps), 1))


def _cost(rows: Window, columns: Window, taps: int, shape: tuple[int, ...]) -> float:
    """Multiplications a pixel that one term of the kernel costs."""
    return 2.0 * taps * len(columns.starts) / shape[1] * (1 + len(rows.starts) / shape[0])
