"""The shape of hair: a shell over the skull that ends at a hairline, hangs where it is long, curls where it curls."""

from __future__ import annotations

import numpy as np

from bfrbench.studio import noise
from bfrbench.studio.curves import Array, spline, step
from bfrbench.studio.face import Face
from bfrbench.studio.head import skull
from bfrbench.studio.mesh import Part, Patch
from bfrbench.studio.person import Hair

_ANGLES = np.array([0.0, 0.3, 0.6, 0.85, 1.1, 1.28, 1.42, 1.62, 1.95, 2.4, 3.2])
LONG = ("long", "bob")


def hairline(hair: Hair, theta: Array) -> Array:
    """The height above which hair grows, or down to which it hangs, at each angle."""
    front = hair.line
    recess = hair.recess
    heights = np.array(
        [
            front,
            front + 0.4 * recess,
            front + recess,
            front - 0.1 + 0.8 * recess,
            0.32,
            -0.1,
            -0.25,
            0.3,
            -0.2,
            -0.85,
            -1.15,
        ]
    )
    if hair.style == "tied":
        heights[4:] = [0.42, 0.2, 0.1, 0.28, -0.1, -0.6, -0.8]
    if hair.style == "receding":
        heights[:4] = [front + 0.35, front + 0.4, front + 0.45, front + 0.2]
    if hair.fringe:
        heights[:4] = [hair.fringe, hair.fringe + 0.02, hair.fringe + 0.03, hair.fringe - 0.05]
    if hair.style in LONG:
        heights[4:] = [-0.2, hair.length + 0.35, hair.length + 0.1, *[hair.length] * 4]
    elif hair.style == "curly":
        heights[5:] = [-0.2, -0.5, -0.5, -0.7, -1.1, -1.3]
    return spline(np.abs(wrap(theta)), _ANGLES, heights)


def cover(hair: Hair, theta: Array, y: Array) -> Array:
    """How far inside the hair a place of the skull is; below zero it is bare."""
    if hair.style == "bald":
        return np.full(np.broadcast(theta, y).shape, -1.0)
    ragged = noise.read(noise.tile("ragged", 1), hair.offset[0] + theta * (3 / np.pi), hair.offset[1] + y * 0.05)
    return y - hairline(hair, theta) + ragged * (0.02 + 0.03 * hair.curl + 0.015 * hair.wave)


def wrap(theta: Array) -> Array:
    """The angle between -π and π."""
    return (theta + np.pi) % (2 * np.pi) - np.pi


def patch(face: Face, theta: Array) -> Patch | None:
    """The shell, or nothing for the bald and the shorn."""
    hair = face.person.hair
    if hair.style in ("bald", "buzz"):
        return None
    top = 1.78 * face.person.skull.crown - 1e-4
    low = min(hair.length, -1.4) - 0.15
    rows = np.linspace(0, 1, 64) ** 1.35
    a, y = np.meshgrid(theta, top + (low - top) * rows)
    inside = cover(hair, a, y)
    thick = _thickness(face, a, y) * (0.12 + 0.88 * step(inside, -0.02, 0.4))
    hang = np.maximum(y, -0.45)
    radius = skull(face.person.skull, a, hang) + 0.015 + thick * (1 - 0.25 * step(y, -1.0, -2.5))
    lift = 0.75 * thick * step(y, top - 0.9, top)
    points = np.stack([radius * np.sin(a), y + lift, radius * np.cos(a)], -1)
    follows = step(y, -2.2, -0.9)
    across = a / (2 * np.pi) + _sweep(hair, a, y)
    chart = np.stack([across, y * 0.25, inside], -1)
    return Patch(Part.HAIR, points, chart, follows, closed=True, two_sided=True, cover=inside)


def _thickness(face: Face, theta: Array, y: Array) -> Array:
    hair = face.person.hair
    away = np.abs(wrap(theta))
    sides = step(away, 0.7, 1.3) * step(away, 2.6, 2.0)
    cropped = {"short": 0.35, "side": 0.35, "tied": 0.6, "receding": 0.7}.get(hair.style, 0.9)
    thick = hair.thick * (1 - (1 - cropped) * sides * step(y, 1.3, 0.6))
    lump = noise.read(noise.tile("lumps", 3, 3), hair.offset[1] + theta / (2 * np.pi), hair.offset[0] + y * 0.11)
    thick = thick * (1 + (0.10 + 0.16 * hair.wave + 0.2 * hair.curl) * lump)
    if hair.style in ("side", "short", "bob", "long"):
        furrow = wrap(theta - hair.part)
        thick = thick * (1 - 0.55 * np.maximum(1 - np.abs(furrow) / 0.16, 0) * step(y, 0.9, 1.2))
    return np.maximum(thick, 0.0)


def _sweep(hair: Hair, theta: Array, y: Array) -> Array:
    """How far strands have moved around the head at each height: away from the parting, or in waves."""
    aside = np.clip(wrap(theta - hair.part) * 2, -1, 1) * 0.05 * step(y, 0.4, 1.5)
    swing = noise.read(noise.tile("swing", 3, 3), hair.offset[0] + theta * 0.2, hair.offset[1] + y * 0.2)
    result: Array = aside + (0.002 + 0.010 * hair.wave + 0.022 * hair.curl) * swing
    return result
