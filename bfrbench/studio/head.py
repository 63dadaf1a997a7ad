"""The shape of a head from crown to collar: a smooth skull and neck around an upright axis, and the features on it."""

from __future__ import annotations

import numpy as np

from bfrbench.studio.curves import Array, bump, ridge, soft_max, spline, step
from bfrbench.studio.face import EYE_RADIUS, Face
from bfrbench.studio.person import Skull

_Y = np.array([-3.2, -2.2, -1.8, -1.4, -1.0, -0.6, -0.2, 0.15, 0.5, 0.9, 1.3])
_WIDTH = np.array([0.7, 0.7, 0.74, 0.87, 1.0, 1.10, 1.17, 1.2, 1.22, 1.22, 1.2])
_FRONT = np.array([1.2, 1.2, 1.23, 1.27, 1.30, 1.33, 1.36, 1.38, 1.38, 1.33, 1.26])
_BACK = np.array([1.0, 1.0, 1.0, 1.02, 1.1, 1.28, 1.46, 1.58, 1.64, 1.62, 1.5])
_SQUARE = 2.25
"""Exponent of the head's cross-section: 2 is an ellipse, more is squarer."""


def skull(shape: Skull, theta: Array, y: Array) -> Array:
    """Distance of the bare skull from the axis at angle `theta` (0 to the front, positive to the right) and height."""
    wide, front, back = cross_section(shape, y)
    across, along = np.abs(np.sin(theta)), np.cos(theta)
    deep = np.where(along > 0, front, back)
    return ((across / wide) ** _SQUARE + (np.abs(along) / deep) ** _SQUARE) ** (-1 / _SQUARE)


def cross_section(shape: Skull, y: Array) -> tuple[Array, Array, Array]:
    """Half width, depth in front of the axis and behind it."""
    top = 1.78 * shape.crown
    over = np.clip((y - 0.45) / (top - 0.45), 0, 1)
    cap = np.maximum(1 - over**2.5, 1e-4) ** 0.5
    jaw = 1 + (shape.jaw - 1) * step(y, -0.3, -1.2)
    wide = spline(y, _Y, _WIDTH) * shape.width * jaw * cap
    front = (spline(y, _Y, _FRONT) + shape.forehead * bump(y, y * 0, (0.9, 0), (0.35, 1))) * cap
    back = spline(y, _Y, _BACK) * shape.depth * cap
    return wide, front, back


def neck(shape: Skull, theta: Array, y: Array) -> Array:
    """Distance of the neck from the same axis, which runs through its front half."""
    flare = step(y, -2.0, -2.9)
    wide = shape.neck * (0.60 + 0.25 * flare)
    deep, centre = shape.neck * (0.62 + 0.1 * flare), -0.28 - 0.1 * step(y, -1.6, -3.0)
    a = (np.sin(theta) / wide) ** 2 + (np.cos(theta) / deep) ** 2
    b = -np.cos(theta) * centre / deep**2
    c = (centre / deep) ** 2 - 1
    return (-b + np.sqrt(b * b - a * c)) / a


def jaw_line(face: Face, theta: Array) -> Array:
    """Height of the lower edge of the jaw at each angle."""
    shape = face.person.skull
    away = np.abs(theta)
    knots = np.array([0.0, 0.35, 0.75, 1.15, 1.55, 1.9, 2.5, 3.2])
    heights = np.array([face.chin_y, face.chin_y + 0.04, 0, 0, shape.jaw_angle - 0.35 * face.drop, -0.75, -0.65, -0.8])
    fall = heights[1] - heights[4]
    heights[2], heights[3] = heights[1] - 0.22 * fall, heights[1] - 0.58 * fall
    return spline(away, knots, heights)


def surface(face: Face, theta: Array, y: Array) -> tuple[Array, Array]:
    """Points (…×3) of the skin at angle and height, and how much each belongs to the head rather than the neck."""
    shape = face.person.skull
    edge = jaw_line(face, theta)
    under = np.clip((y - (edge - 0.04)) / 0.34, 0, 1)
    belongs = np.sqrt(1 - (1 - under) ** 2)
    bare = skull(shape, theta, y)
    throat = np.minimum(neck(shape, theta, y), bare)
    radius = throat + (bare - throat) * belongs
    x, z = radius * np.sin(theta), radius * np.cos(theta)
    front = step(np.cos(theta), -0.1, 0.35) * belongs
    forward, sideways = relief(face, x, y)
    lean = shape.lean * step(y, -0.2, -1.5) * belongs
    out = np.stack([x + sideways * front + lean, y, z + forward * front], axis=-1)
    return out, belongs


def relief(face: Face, x: Array, y: Array) -> tuple[Array, Array]:
    """How far the features stand out to the front of the skull at (x, y), and to the right."""
    side = np.abs(x)
    forward = _bones(face, side, y) + _nose(face, x, y) + _mouth(face, x, y)
    forward = _eyes(face, side, y, forward)
    smile = max(face.expression.smile, 0)
    cheeks = bump(side, y, (0.62, -0.55), (0.24, 0.2)) * 0.09 * smile
    return forward + cheeks, np.sign(x) * cheeks * 0.3


def _bones(face: Face, side: Array, y: Array) -> Array:
    shape, brows = face.person.skull, face.person.brows
    chin = face.chin_y
    knit = face.expression.brow_knit
    total = shape.brow_ridge * bump(side, y, (0.40, brows.high - 0.02), (0.3, 0.11))
    total += (0.01 + 0.02 * knit) * bump(side, y, (0.14, brows.high - 0.02), (0.13, 0.1))
    total += shape.cheekbone * bump(side, y, (0.78, -0.36), (0.24, 0.17))
    total += shape.cheek * bump(side, y, (0.6, -0.95), (0.26, 0.28))
    total += shape.chin_out * bump(side, y, (0.0, chin + 0.24), (shape.chin_width, 0.15))
    total += 0.05 * bump(side, y, (shape.chin_width * 0.45, chin + 0.16), (0.13, 0.11))
    total -= 0.05 * bump(side, y, (0.0, chin + 0.44), (0.26, 0.075))
    total -= 0.05 * bump(side, y, (1.0, 0.35), (0.16, 0.3))
    return total


def _nose(face: Face, x: Array, y: Array) -> Array:
    nose = face.person.nose
    tip, root = nose.tip, 0.2
    along = np.clip((root - y) / (root - tip), 0, 1.6)
    x = x - nose.crooked * np.clip(along, 0, 1)
    side = np.abs(x)
    height = nose.bridge * step(y, root + 0.3, 0.0) + (nose.out - nose.bridge) * np.minimum(along, 1.0) ** 1.2
    height += nose.hump * bump(along, along * 0, (0.45, 0), (0.18, 1))
    height *= step(y, tip - 0.20 + nose.upturn, tip + 0.04 + nose.upturn)
    width = nose.bridge_width + (nose.wide * 0.42 - nose.bridge_width) * step(along, 0.3, 1.0)
    total = height * ridge(side, width)
    total += nose.ball * bump(side, y, (0.0, tip - 0.02), (0.105, 0.10))
    total += 0.09 * bump(side, y, (0.0, tip - 0.15 + nose.upturn), (0.045, 0.05))
    total += 0.19 * bump(side, y, (nose.wide * 0.74, tip - 0.085), (0.075, 0.07))
    total -= 0.03 * bump(side, y, (nose.wide + 0.06, tip - 0.05), (0.045, 0.10))
    nostril = bump(side, y, (nose.wide * 0.42, tip - 0.145 + nose.upturn), (0.05, 0.03))
    return total - 0.05 * nostril


def _mouth(face: Face, x: Array, y: Array) -> Array:
    mouth, e = face.person.mouth, face.expression
    half = face.mouth_half
    u = np.clip(x / half, -1, 1)
    top, upper, lower, bottom = face.mouth_lines(u)
    middle = face.mouth_y - 0.5 * face.lower_gap
    total = (0.06 + 0.09 * e.pucker - 0.03 * max(e.smile, 0)) * bump(x, y, (0, middle), (0.34, 0.26))
    inside = np.maximum(1 - (x / half) ** 2, 0)
    swell = mouth.out + 0.02 + 0.05 * e.pucker
    for high, low, share in ((top, upper, 1.0), (lower, bottom, 1.15)):
        thick = high - low + 0.02
        total += swell * share * np.sqrt(inside) * ridge(y - 0.5 * (high + low), 0.45 * thick)
    gap = upper - lower
    total -= (0.05 + 0.25 * np.minimum(gap, 0.2)) * inside * ridge(y - 0.5 * (upper + lower), 0.35 * gap + 0.012)
    total -= 0.03 * bump(np.abs(x), y, (half + 0.035, face.corner_y), (0.05, 0.06))
    total -= 0.022 * bump(x, y, (0, face.mouth_y + 0.21), (0.045, 0.08))
    fold = np.abs(x) - (face.person.nose.wide + 0.10 + (half + 0.10 - face.person.nose.wide) * step(y, -0.6, -1.15))
    deep = 0.018 + 0.03 * face.person.age + 0.035 * max(e.smile, 0)
    return total - deep * ridge(fold, 0.05) * step(y, -0.55, -0.7) * step(y, -1.3, -1.0)


def _eyes(face: Face, side: Array, y: Array, forward: Array) -> Array:
    eyes = face.person.eyes
    socket = bump(side, y, (face.eye_x, 0.03), (0.25, 0.15))
    inner = bump(side, y, (0.24, 0.06), (0.10, 0.12))
    forward = forward - eyes.deep * socket - (0.02 + 0.25 * eyes.deep) * inner
    forward = forward - 0.03 * bump(side, y, (face.eye_x, -0.2), (0.2, 0.05)) * face.person.skin.circles
    flat = ((side - face.eye_x) / EYE_RADIUS) ** 2 + ((y - 0.01) / EYE_RADIUS) ** 2
    ball = -eyes.deep - 0.02 + EYE_RADIUS * (np.sqrt(np.maximum(1 - 0.8 * flat, 0)) - 1) + 0.09
    near = step(flat, 1.25, 0.6)
    return forward + near * (soft_max(forward, ball, 0.03) - forward)


def eyeball(face: Face) -> Array:
    """Middle of the right-of-image eyeball."""
    z = front_depth(face, np.array([face.eye_x]), np.array([0.01]))[0]
    return np.array([face.eye_x, 0.01, z - EYE_RADIUS - 0.015])


def front_depth(face: Face, x: Array, y: Array) -> Array:
    """z of the skin in front of (x, y), away from the jaw's edge."""
    wide, front, _ = cross_section(face.person.skull, y)
    inner = np.clip(1 - (np.abs(x) / wide) ** _SQUARE, 0, 1)
    forward, _ = relief(face, x, y)
    return front * inner ** (1 / _SQUARE) + forward


def lift(face: Face, x: Array, y: Array) -> Array:
    """The points of the face in front of (x, y), as the mesh has them."""
    wide, front, _ = cross_section(face.person.skull, y)
    inner = np.clip(1 - (np.abs(x) / wide) ** _SQUARE, 1e-6, 1)
    theta = np.arctan2(x, front * inner ** (1 / _SQUARE))
    points, _ = surface(face, theta, y)
    return points
