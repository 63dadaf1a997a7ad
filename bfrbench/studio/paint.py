"""What a painter sees of a patch's visible pixels, and the canvas it fills."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from bfrbench.studio.curves import Array
from bfrbench.studio.draws import Rgb

CLASSES = (
    "background",
    "skin",
    "brow",
    "eye",
    "nose",
    "upper lip",
    "mouth",
    "lower lip",
    "ear",
    "glasses",
    "hair",
    "neck",
    "clothes",
)
"""The parsing map's classes, by number. A beard is skin, as in CelebAMask-HQ."""
CLASS = {name: number for number, name in enumerate(CLASSES)}


def linear(colour: Rgb) -> Array:
    """sRGB to light, as a column."""
    return np.array([[channel**2.2] for channel in colour], np.float32)


@dataclass(slots=True)
class Pixels:
    """Visible pixels of one part: where they are on it, what painters made of them. All float32, last axis N."""

    x: Array
    """Head frame."""
    y: Array
    z: Array
    normal: Array
    """3×N, camera frame."""
    chart: Array
    """3×N."""
    ray: Array
    """3×N, from the lens through the pixel, head frame."""
    albedo: Array = field(init=False)
    gloss: Array = field(init=False)
    """Strength of the highlight."""
    bump: Array = field(init=False)
    """How much more the fine relief faces the key light."""
    label: Array = field(init=False)

    def __post_init__(self) -> None:
        count = self.x.size
        self.albedo = np.zeros((3, count), np.float32)
        self.gloss = np.zeros(count, np.float32)
        self.bump = np.zeros(count, np.float32)
        self.label = np.zeros(count, np.uint8)

    def mix(self, at: Array | slice, colour: Array, share: Array) -> None:
        """Paint over the pixels `at` with that much of the colour."""
        self.albedo[:, at] += (colour - self.albedo[:, at]) * share

    def darken(self, at: Array, share: Array) -> None:
        self.albedo[:, at] *= 1 - share
