"""Blur and resize on the exact road: OpenCV's filters and weights, in float64, without computing what is thrown away.

A resize is a matrix on each axis, read off OpenCV itself, and a blur is a sum of separable filters (one for an
isotropic Gaussian, a few for others). A blur followed by a resize therefore needs only the rows and columns
that the resize looks at. Where that does not pay, OpenCV's filter2D does the blur.
Sums are float64, so that their order, which differs between machines, moves no rounding; results are float32.
"""

from __future__ import annotations

import math
import threading
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    Array = npt.NDArray[np.float64]
    U8Image = npt.NDArray[np.uint8]
    Levels = npt.NDArray[np.float32]
    Image = npt.NDArray[np.uint8] | Levels


@dataclass(frozen=True)
class Band:
    """Some outputs of an axis, from `first` on: term × output × pixel, over the pixels from `begin` to `end`."""

    first: int
    begin: int
    end: int
    weights: Array


INTERPOLATIONS = {"linear": cv2.INTER_LINEAR, "area": cv2.INTER_AREA, "cubic": cv2.INTER_CUBIC}
_ROWS, _COLUMNS = 6, 32
"""Outputs that are made together: few enough that little but what they look at is multiplied."""
_THREAD = threading.local()
_DROPPED = 1e-5
"""How much of a kernel's absolute sum its separable form may miss; seen: 0.00001 grey levels."""
_FILTER2D_COST = 320.0
"""What filter2D costs, in multiplications a pixel of the separable form, as measured beside each other."""


@dataclass(frozen=True)
class Window:
    """One axis of a resize: each output looks at `weights.shape[1]` neighbours from `starts` on."""

    starts: npt.NDArray[np.int64]
    weights: Array


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
    left, right = separate(kernel)
    rows, columns = window(height, size[0], method), window(width, size[1], method)
    if min(height, width) <= reach or len(left) * _cost(rows, columns, kernel.shape[0], image.shape) > _FILTER2D_COST:
        return resize(blur(image, kernel), size, method)
    padded = cv2.copyMakeBorder(image, reach, reach, reach, reach, cv2.BORDER_REFLECT_101)
    lines = scratch("lines", (padded.shape[0], padded.shape[2], padded.shape[1]))
    np.copyto(lines, padded.transpose(0, 2, 1))
    return _separably(lines, _bands(rows, left, _ROWS), _bands(columns, right, _COLUMNS), size)


def scratch(purpose: str, shape: tuple[int, ...]) -> Array:
    """Float64 memory of this thread, kept from call to call: fresh pages cost more than the sums done in them."""
    count = math.prod(shape)
    kept: Array | None = getattr(_THREAD, purpose, None)
    if kept is None or kept.size < count:
        kept = np.empty(count)
        setattr(_THREAD, purpose, kept)
    return kept[:count].reshape(shape)


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


def separate(kernel: Array) -> tuple[Array, Array]:
    """Vertical and horizontal filters, one row each a term, whose products sum to the kernel."""
    left, strength, right = np.linalg.svd(kernel)
    terms = (left * strength).T[:, :, None] * right[:, None, :]
    missing = np.abs(kernel - np.cumsum(terms, 0)).sum((1, 2))
    count = int((missing < _DROPPED * np.abs(kernel).sum()).argmax()) + 1
    return (left * strength).T[:count], right[:count]


def _cost(rows: Window, columns: Window, taps: int, shape: tuple[int, ...]) -> float:
    """Multiplications a pixel that one term of the kernel costs."""
    return 2.0 * taps * len(columns.starts) / shape[1] * (1 + len(rows.starts) / shape[0])


def _separably(lines: Array, rows: list[Band], columns: list[Band], size: tuple[int, int]) -> Levels:
    """Filter and resize both axes of row × channel × column and sum the terms, some rows at a time."""
    channels, width = lines.shape[1:]
    flat = lines.reshape(lines.shape[0], -1)
    result = np.empty((*size, channels), np.float32)
    for down in rows:
        terms, count, _ = down.weights.shape
        part = scratch("part", (terms * count, flat.shape[1]))
        np.matmul(down.weights.reshape(terms * count, -1), flat[down.begin : down.end], out=part)
        strip = part.reshape(terms, count * channels, width)
        for across in columns:
            summed = (strip[:, :, across.begin : across.end] @ across.weights.transpose(0, 2, 1)).sum(0)
            laid = summed.reshape(count, channels, -1).transpose(0, 2, 1)
            result[down.first : down.first + count, across.first : across.first + laid.shape[1]] = laid
    return result


def _bands(axis: Window, filters: Array, size: int) -> list[Band]:
    """The outputs of an axis by `size`, each lot as a matrix over the only pixels it looks at."""
    weights = _composed(axis, filters)
    terms, count, taps = weights.shape
    bands = []
    for first in range(0, count, size):
        starts = axis.starts[first : first + size]
        begin, end = int(starts[0]), int(starts[-1]) + taps
        matrix = np.zeros((terms, len(starts), end - begin))
        places = (starts - begin)[:, None] + np.arange(taps)
        matrix[:, np.arange(len(starts))[:, None], places] = weights[:, first : first + size]
        bands.append(Band(first, begin, end, matrix))
    return bands


def _composed(axis: Window, filters: Array) -> Array:
    """Filter and resize in one: term × output × tap."""
    taps = axis.weights.shape[1]
    length = filters.shape[1]
    composed = np.zeros((len(filters), len(axis.starts), taps + length - 1))
    for tap in range(taps):
        composed[:, :, tap : tap + length] += axis.weights[None, :, tap, None] * filters[:, None, :]
    return composed
