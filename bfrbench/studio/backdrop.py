"""What is behind the person: soft shapes and lights, out of focus."""

from __future__ import annotations

import numpy as np

from bfrbench.studio.curves import Array, step
from bfrbench.studio.draws import Dice

_SIDE = 96


def backdrop(key: int, size: int) -> Array:
    """Light of the background, size×size×3 float32; the same scene at every size."""
    import cv2

    dice = Dice.keyed("backdrop", key)
    y, x = np.mgrid[0:_SIDE, 0:_SIDE] / _SIDE
    top, bottom = _colour(dice), _colour(dice)
    if dice.chance(0.4):
        bottom = top * dice.between(0.5, 1.1)
    turn = dice.between(-0.6, 0.6)
    share = np.clip(y + turn * (x - 0.5), 0, 1)[..., None]
    field = top + (bottom - top) * share
    for _ in range(int(dice.between(0, 9))):
        field += (_colour(dice) - field) * (_shape(dice, x, y) * dice.between(0.3, 1))[..., None]
    field = cv2.GaussianBlur(field.astype(np.float32), (0, 0), dice.between(1.0, 7.0))
    if dice.chance(0.3):
        field = _lamps(dice, field, x, y)
    wide: Array = cv2.resize(np.maximum(field, 0.003), (size, size), interpolation=cv2.INTER_CUBIC)
    return wide


def _colour(dice: Dice) -> Array:
    bright = dice.between(0.02, 0.75)
    return np.clip(bright * (1 + 0.25 * dice.vector(3)), 0.005, 0.95)


def _shape(dice: Dice, x: Array, y: Array) -> Array:
    at = dice.between(-0.1, 1.1), dice.between(-0.1, 1.1)
    wide, high = dice.between(0.04, 0.4), dice.between(0.05, 0.6)
    if dice.chance(0.6):
        return step(np.abs(x - at[0]), wide + 0.02, wide) * step(np.abs(y - at[1]), high + 0.02, high)
    return step(((x - at[0]) / wide) ** 2 + ((y - at[1]) / wide) ** 2, 1.1, 0.9)


def _lamps(dice: Dice, field: Array, x: Array, y: Array) -> Array:
    radius = dice.between(0.015, 0.05)
    colour = 0.5 + 0.5 * _colour(dice)
    for _ in range(int(dice.between(3, 16))):
        at = dice.between(0, 1), dice.between(0, 0.8)
        spot = step((x - at[0]) ** 2 + (y - at[1]) ** 2, radius**2 * 1.4, radius**2 * 0.7)
        field = field + (colour * dice.between(0.1, 0.6) * spot[..., None]).astype(np.float32)
    return field
