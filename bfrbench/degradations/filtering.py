"""Blur and resize on the exact road: OpenCV's filters and weights, in float64, without computing what is thrown away.

A resize is a matrix on each axis, read off OpenCV itself, and a blur is a sum of separable filters (one for an
isotropic Gaussian, a few for others). A blur followed by a resize therefore needs only the rows and columns
that the resize looks at. Where that does not pay, OpenCV's filter2D does the blur.
Sums are float64, so that their order, which differs between machines, moves no rounding; results are float32.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    Array = npt.NDArray[np.float64]
    Levels = npt.NDArray[np.float32]
    Image = npt.NDArray[np.uint8] | Levels

INTERPOLATIONS = {"linear": cv2.INTER_LINEAR, "area": cv2.INTER_AREA, "cubic": cv2.INTER_CUBIC}
_DROPPED = 3e-6
"""How much of a kernel's absolute sum its separable form may miss; seen: 0.00001 grey levels."""
_FILTER2D_COST = 150.0
"""What filter2D costs, in multiplications a pixel of the separable form, as measured beside each other."""


@dataclass(frozen=True)
class Window:
    """One axis of a resize: each output looks at `weights.shape[1]` neighbours from `starts` on."""

    starts: npt.NDArray[np.int64]
    weights: Array


def resize(image: Image, size: tuple[int, int], method: str) -> Levels:
    """To (height, width)."""
    if image.shape[:2] == size:
        return image.astype(np.float32, copy=False)
    resized = cv2.resize(image.astype(np.float64), size[::-1], interpolation=INTERPOLATIONS[method])
    return resized.astype(np.float32)


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
    planes = np.stack(cv2.split(padded)).astype(np.float64)
    result = _down(_across(planes, columns, right), rows, left)
    return np.ascontiguousarray(result.transpose(1, 2, 0), np.float32)


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


def _across(planes: Array, columns: Window, filters: Array) -> Array:
    """Filter and resize the last axis: channel × row × column to channel × row × term × new column."""
    weights = _composed(columns, filters)
    terms, count, taps = weights.shape
    result = np.empty((*planes.shape[:2], terms, count))
    flat = planes.reshape(-1, planes.shape[2])
    for first, last in _blocks(count, terms):
        begin, end = columns.starts[first], columns.starts[last - 1] + taps
        banded = np.zeros((terms, last - first, end - begin))
        places = (columns.starts[first:last] - begin)[:, None] + np.arange(taps)
        banded[:, np.arange(last - first)[:, None], places] = weights[:, first:last]
        part = flat[:, begin:end] @ banded.reshape(-1, end - begin).T
        result[..., first:last] = part.reshape(*planes.shape[:2], terms, last - first)
    return result


def _down(across: Array, rows: Window, filters: Array) -> Array:
    """Filter and resize the rows and sum the terms: to channel × new row × new column."""
    weights = _composed(rows, filters)
    terms, count, taps = weights.shape
    channels, _, _, width = across.shape
    result = np.empty((channels, count, width))
    for first, last in _blocks(count, terms):
        begin, end = rows.starts[first], rows.starts[last - 1] + taps
        banded = np.zeros((last - first, end - begin, terms))
        places = (rows.starts[first:last] - begin)[:, None] + np.arange(taps)
        banded[np.arange(last - first)[:, None], places] = weights[:, first:last].transpose(1, 2, 0)
        seen = across[:, begin:end].reshape(channels, -1, width)
        result[:, first:last] = banded.reshape(last - first, -1) @ seen
    return result


def _composed(axis: Window, filters: Array) -> Array:
    """Filter and resize in one: term × output × tap."""
    taps = axis.weights.shape[1]
    length = filters.shape[1]
    composed = np.zeros((len(filters), len(axis.starts), taps + length - 1))
    for tap in range(taps):
        composed[:, :, tap : tap + length] += axis.weights[None, :, tap, None] * filters[:, None, :]
    return composed


def _blocks(count: int, terms: int) -> list[tuple[int, int]]:
    size = max(4, -(-64 // terms))
    return [(first, min(first + size, count)) for first in range(0, count, size)]
