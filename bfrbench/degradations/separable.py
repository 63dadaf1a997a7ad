"""Sums of separable filters, with a resize behind them, as products of small float64 matrices.

An axis of a filter and a resize is a banded matrix: it is cut into bands of a few outputs, each with the only pixels
it looks at. Which kernels are worth it is for `filtering`.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    Array = npt.NDArray[np.float64]
    Levels = npt.NDArray[np.float32]
    Image = npt.NDArray[np.uint8] | Levels

_STRIP, _LEAST_STRIP = 128, 32
"""Rows, times terms, that go together from the vertical to the horizontal filters, while they are in the cache."""
_SPREAD = 24
"""Source pixels by which a band may be longer than what one output looks at."""
_ROWS, _COLUMNS = (4, 8), (8, 32)
"""Outputs of a band, at least and at most: what matrix libraries are fast with."""
_THREAD = threading.local()


@dataclass(frozen=True)
class Window:
    """One axis of a resize: each output looks at `weights.shape[1]` neighbours from `starts` on."""

    starts: npt.NDArray[np.int64]
    weights: Array

    @property
    def step(self) -> float:
        """Source pixels from one output to the next."""
        return max(float(self.starts[-1] - self.starts[0]) / max(len(self.starts) - 1, 1), 1e-9)


@dataclass(frozen=True)
class Band:
    """Some outputs of an axis, from `first` on: term × pixel × output, over the pixels from `begin` to `end`."""

    first: int
    begin: int
    end: int
    weights: Array


def scratch(purpose: str, shape: tuple[int, ...]) -> Array:
    """Float64 memory of this thread, kept from call to call: fresh pages cost more than the sums done in them."""
    count = math.prod(shape)
    kept: Array | None = getattr(_THREAD, purpose, None)
    if kept is None or kept.size < count:
        kept = np.empty(count)
        setattr(_THREAD, purpose, kept)
    return kept[:count].reshape(shape)


def separate(kernel: Array, dropped: float) -> tuple[Array, Array]:
    """Vertical and horizontal filters, one row each a term, whose products sum to the kernel.

    The terms left out have at most `dropped` of the kernel's absolute sum.
    """
    left, strength, right = np.linalg.svd(kernel, full_matrices=False)
    down = (left * strength).T
    allowed, missing = dropped * np.abs(kernel).sum(), kernel
    for count in range(1, len(strength) + 1):
        missing = missing - down[count - 1, :, None] * right[count - 1]
        if np.abs(missing).sum() < allowed:
            break
    return down[:count], right[:count]


def filtered(image: Image, filters: tuple[Array, Array], rows: Window, columns: Window) -> Levels:
    """Filter and resize both axes, borders mirrored, and sum the terms: rows first, strip by strip."""
    left, right = filters
    down, across = left.shape[1] // 2, right.shape[1] // 2
    padded = cv2.copyMakeBorder(image, down, down, across, across, cv2.BORDER_REFLECT_101)
    height, width, channels = padded.shape
    lines = scratch("lines", (height, channels, width))
    np.copyto(lines, padded.transpose(0, 2, 1))
    flat = lines.reshape(height, -1)
    bands = list(_bands(columns, right, _COLUMNS))
    result = np.empty((len(rows.starts), len(columns.starts), channels), np.float32)
    lot = max(_STRIP // len(left), _LEAST_STRIP)
    for first in range(0, len(result), lot):
        strip = Window(rows.starts[first : first + lot], rows.weights[first : first + lot])
        part = _down(flat, strip, left)
        planes = _across(part.reshape(len(left), -1, width), bands, len(columns.starts))
        planes = planes.reshape(-1, channels, planes.shape[1])
        cv2.merge([planes[:, channel] for channel in range(channels)], result[first : first + lot])
    return result


def _down(flat: Array, strip: Window, filters: Array) -> Array:
    """The vertical filters of a strip of rows: term × row × (channel, pixel)."""
    part = scratch("part", (len(filters), len(strip.starts), flat.shape[1]))
    for band in _bands(strip, filters, _ROWS):
        made = part[:, band.first : band.first + band.weights.shape[2]]
        np.matmul(band.weights.transpose(0, 2, 1), flat[band.begin : band.end], out=made)
    return part


def _across(part: Array, bands: list[Band], width: int) -> Levels:
    """The horizontal filters of a strip, term × (row, channel) × pixel, and the sum of the terms."""
    result = np.empty((part.shape[1], width), np.float32)
    for band in bands:
        terms = part[:, :, band.begin : band.end] @ band.weights
        result[:, band.first : band.first + terms.shape[2]] = terms[0] if len(terms) == 1 else terms.sum(0)
    return result


def _bands(axis: Window, filters: Array, lots: tuple[int, int]) -> Iterator[Band]:
    """The outputs of an axis, a lot at a time, each as a matrix over the only pixels it looks at."""
    weights = _composed(axis, filters)
    terms, count, taps = weights.shape
    least, most = lots
    size = min(max(int(_SPREAD / axis.step) // least * least, least), most)
    for first in range(0, count, size):
        starts = axis.starts[first : first + size]
        begin, end = int(starts.min()), int(starts.max()) + taps
        matrix = np.zeros((terms, len(starts), end - begin))
        for place, start in enumerate((starts - begin).tolist()):
            matrix[:, place, start : start + taps] = weights[:, first + place]
        yield Band(first, begin, end, np.ascontiguousarray(matrix.transpose(0, 2, 1)))


def _composed(axis: Window, filters: Array) -> Array:
    """Filter and resize in one: term × output × tap."""
    taps = axis.weights.shape[1]
    length = filters.shape[1]
    composed = np.zeros((len(filters), len(axis.starts), taps + length - 1))
    for tap in range(taps):
        composed[:, :, tap : tap + length] += axis.weights[None, :, tap, None] * filters[:, None, :]
    return composed
