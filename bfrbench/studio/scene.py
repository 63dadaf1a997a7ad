"""The patches that a picture is made of, in the head's frame."""

from __future__ import annotations

from functools import cache

import numpy as np

from bfrbench.studio import hair, parts
from bfrbench.studio.curves import Array, step
from bfrbench.studio.face import Face
from bfrbench.studio.head import surface
from bfrbench.studio.mesh import Part, Patch


@cache
def _angles(front: int, back: int) -> Array:
    """Around the head, dense where the features are."""
    t = np.linspace(-1, 1, front)
    t = t * (0.72 + 0.28 * t * t) * 1.45
    return np.concatenate([t, np.linspace(1.45, 2 * np.pi - 1.45, back)[1:-1]])


@cache
def _shares() -> Array:
    """Of the way from crown (0) to brow (1), chin (2) and collar (3)."""
    return np.concatenate([np.linspace(0, 1, 20) ** 2, 1 + np.linspace(0, 1, 90)[1:], 2 + np.linspace(0, 1, 14)[1:]])


def patches(face: Face) -> list[Patch]:
    """Everything of one person."""
    around = _angles(44, 40)
    shell = hair.patch(face, _angles(56, 56))
    hidden = face.person.hair.style in hair.LONG
    return [
        _head(face, hidden_scalp=shell is not None),
        parts.shoulders(face, around),
        *([] if hidden else parts.ears(face)),
        *([shell] if shell else []),
        *parts.spectacles(face),
    ]


def _head(face: Face, *, hidden_scalp: bool) -> Patch:
    """Skull, face and neck; the chart carries how hairy the scalp is."""
    top = 1.78 * face.person.skull.crown - 1e-4
    heights = np.interp(_shares(), [0, 1, 2, 3], [top, 0.75, face.chin_y - 0.15, -3.0])
    a, y = np.meshgrid(_angles(76, 30), heights)
    points, belongs = surface(face, a, y)
    follows = np.maximum(belongs, step(y, -2.6, -1.5))
    hairy = hair.cover(face.person.hair, a, y)
    chart = np.stack([a / (2 * np.pi), y * 0.25, hairy], -1)
    bare = np.where(y > 0.5, 0.3 - hairy, 1.0) if hidden_scalp else None
    return Patch(Part.SKIN, points, chart, follows, closed=True, cover=bare)
