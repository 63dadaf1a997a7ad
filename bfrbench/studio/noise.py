"""Tiles of seamless noise, made once per process, that skin, hair, cloth and walls read at their own scales."""

from __future__ import annotations

from functools import cache

import numpy as np

from bfrbench.studio.curves import Array
from bfrbench.studio.draws import Dice

SIDE = 256
"""Pixels of a tile; one tile spans [0, 1) in both coordinates."""
_ROW = 1024


@cache
def tile(name: str, blurs: int = 1, octaves: int = 1) -> Array:
    """Unit-variance noise: `blurs` widens its grain, `octaves` adds coarser and stronger copies."""
    dice = Dice.keyed("noise", name)
    total = np.zeros((SIDE, SIDE))
    for octave in range(octaves):
        side = SIDE >> octave
        grain = dice.rng.standard_normal((side, side))
        for _ in range(blurs):
            grain = _blur(grain)
        for _ in range(octave):
            grain = _blur(np.kron(grain, np.ones((2, 2))))
        total += grain * (1.6**octave / grain.std())
    total -= total.mean()
    return np.ascontiguousarray(total / total.std(), dtype=np.float32)


def read(noise: Array, u: Array, v: Array) -> Array:
    """The tile at (u, v), which may lie anywhere within a hundred tiles: it repeats."""
    import cv2

    count = u.size
    rows = -(-count // _ROW)
    maps = np.zeros((2, rows * _ROW), np.float32)
    for target, coordinate in zip(maps, (u, v), strict=True):
        np.multiply(coordinate.ravel(), SIDE, out=target[:count], casting="same_kind")
    x, y = maps.reshape(2, rows, _ROW)
    return cv2.remap(noise, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP).ravel()[:count].reshape(u.shape)


def _blur(grain: Array) -> Array:
    for axis in (0, 1):
        grain = 0.25 * np.roll(grain, 1, axis) + 0.5 * grain + 0.25 * np.roll(grain, -1, axis)
    return grain
