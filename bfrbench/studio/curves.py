"""The few shapes that faces are formed from: soft steps, soft bumps and smooth lines through knots.

They are polynomials, so that the same input gives the same bits on every processor.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

Array: TypeAlias = npt.NDArray[Any]


def step(x: Array, low: float | np.floating[Any] | Array, high: float | np.floating[Any] | Array) -> Array:
    """0 below `low`, 1 above `high`, smooth between; falls when `high` is the smaller, jumps where they are equal."""
    span = np.asarray(high - low)
    t = np.where(span == 0, x >= low, np.clip((x - low) / np.where(span == 0, 1, span), 0, 1))
    eased: Array = t * t * (3 - 2 * t)
    return eased


def bump(x: Array, y: Array, at: tuple[float, float], size: tuple[float, float]) -> Array:
    """1 at the middle, near a Gaussian of that standard deviation, and nothing beyond 2.8 of it."""
    dx, dy = (x - at[0]) * (1 / size[0]), (y - at[1]) * (1 / size[1])
    return fade(dx * dx + dy * dy)


def ridge(distance: Array, width: float | Array) -> Array:
    """The same across a line, from the distance to it."""
    scaled = distance / width
    return fade(scaled * scaled)


def fade(squared: Array) -> Array:
    t = np.maximum(1 - squared * 0.125, 0)
    t = t * t
    return t * t


def soft_max(a: Array, b: Array, softness: float) -> Array:
    """The larger of two, rounded where they cross."""
    d = a - b
    result: Array = 0.5 * (a + b + np.sqrt(d * d + softness * softness))
    return result


def spline(x: Array, knots: Array, values: Array) -> Array:
    """A smooth line through the knots (Catmull-Rom), flat beyond both ends. Knots rise."""
    tangents = np.gradient(values, knots)
    tangents[0] = tangents[-1] = 0
    x = np.clip(x, knots[0], knots[-1])
    i = np.clip(np.searchsorted(knots, x, side="right") - 1, 0, len(knots) - 2)
    gap = knots[i + 1] - knots[i]
    t = (x - knots[i]) / gap
    u = 1 - t
    result: Array = (
        values[i] * (1 + 2 * t) * u * u
        + values[i + 1] * t * t * (3 - 2 * t)
        + gap * t * u * (tangents[i] * u - tangents[i + 1] * t)
    )
    return result
