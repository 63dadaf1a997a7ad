"""A person's features under one expression, as lines in the face's own frontal plane.

The plane: x to the right of the image, y up, origin between the eyes, one unit = an average eye distance.
Geometry, paint and labels all read these lines, which is what makes the labels exact.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bfrbench.studio.curves import Array
from bfrbench.studio.person import Person
from bfrbench.studio.shoot import Expression

EYE_RADIUS = 0.205


@dataclass(frozen=True, slots=True)
class Face:
    """Who, doing what."""

    person: Person
    expression: Expression

    @property
    def eye_x(self) -> float:
        return 0.5 * self.person.eyes.apart

    @property
    def drop(self) -> float:
        """How far the chin has gone down."""
        return 0.34 * self.expression.jaw

    @property
    def mouth_half(self) -> float:
        e = self.expression
        return self.person.mouth.wide * (1 + 0.14 * e.smile - 0.24 * e.pucker - 0.1 * e.jaw)

    @property
    def mouth_y(self) -> float:
        return self.person.mouth.low - 0.10 * self.drop

    @property
    def corner_y(self) -> float:
        """Height of the mouth corners."""
        e = self.expression
        return self.mouth_y + 0.06 * e.smile + self.person.mouth.corners - 0.3 * self.drop

    @property
    def chin_y(self) -> float:
        return self.person.skull.chin - self.drop

    @property
    def upper_gap(self) -> float:
        """How far the upper lip has left the mouth line, in the middle."""
        e = self.expression
        return 0.055 * e.part + 0.035 * e.jaw + 0.01 * max(e.smile, 0)

    @property
    def lower_gap(self) -> float:
        e = self.expression
        return 0.050 * e.part + 0.80 * self.drop

    def lid_heights(self, u: Array) -> tuple[Array, Array]:
        """Upper and lower lid above the line of the corners, for u from -1 (inner corner) to 1 (outer)."""
        eyes, e = self.person.eyes, self.expression
        arch = np.maximum(1 - u * u, 0)
        upper_arch = arch * (1.06 - 0.16 * u - 0.06 * arch)
        lower_arch = arch * (0.94 + 0.16 * u)
        squeeze = max(0.0, e.smile) * 0.018
        upper = eyes.upper * e.lids - 0.035 * (1 - min(e.lids, 1))
        lower = eyes.lower - squeeze
        return np.maximum(upper_arch * upper, -lower_arch * lower + 0.004), -lower_arch * lower

    def eye_frame(self, x: Array, y: Array) -> tuple[Array, Array]:
        """(along, above): along runs from -1 at the inner corner to 1 at the outer one, above in eye distances.

        `x` is the distance from the middle of the face.
        """
        eyes = self.person.eyes
        along = (x - self.eye_x) * (1 / eyes.wide)
        return along, y - eyes.tilt * eyes.wide * along

    def brow_line(self, u: Array) -> tuple[Array, Array]:
        """Middle line of the brow, u from 0 (inner end) to 1 (outer): distance from the middle of the face, height."""
        brows, e = self.person.brows, self.expression
        x = brows.inner + u * 2 * brows.long - 0.05 * e.brow_knit * (1 - u)
        lift = 0.10 * e.brow_raise - e.brow_knit * (0.09 - 0.05 * u)
        rise = brows.arch * (1 - ((u - 0.62) / 0.62) ** 2) + brows.tilt * u
        return x, brows.high + lift + rise - 0.02

    def mouth_lines(self, u: Array) -> tuple[Array, Array, Array, Array]:
        """Heights of the lips for u from -1 to 1 between the corners.

        In order from above: outer and inner edge of the upper lip, inner and outer edge of the lower lip.
        """
        mouth, e = self.person.mouth, self.expression
        uu = np.minimum(u * u, 1)
        arch = 1 - uu
        line = self.mouth_y + (self.corner_y - self.mouth_y) * uu * (0.4 + 0.6 * uu)
        thin = 1 - 0.22 * max(e.smile, 0) + 0.25 * e.pucker
        peaks = 1 - mouth.bow * np.maximum(1 - (u / 0.22) ** 2, 0) ** 2
        inner_up = line + self.upper_gap * arch
        inner_low = line - self.lower_gap * arch * (0.75 + 0.25 * arch)
        outer_up = inner_up + mouth.upper * thin * peaks * arch * (1.25 - 0.25 * arch)
        outer_low = inner_low - mouth.lower * thin * arch * (1.15 - 0.15 * arch)
        return outer_up, inner_up, inner_low, outer_low
