"""What stands beside the head: ears, shoulders and clothes, spectacle frames."""

from __future__ import annotations

from functools import cache

import numpy as np

from bfrbench.studio.curves import Array, step
from bfrbench.studio.face import Face
from bfrbench.studio.head import cross_section, front_depth
from bfrbench.studio.mesh import Part, Patch

_TUBE = 7
THIN = 0.02
"""Cover of what is seen but casts no shadow."""


@cache
def _disc() -> tuple[Array, Array]:
    return np.meshgrid(np.linspace(0, 2 * np.pi, 40), np.linspace(1e-3, 1.12, 18))


def ears(face: Face) -> list[Patch]:
    """Two flaps with a rim, a fold inside it, a hollow and a lobe."""
    person = face.person
    turn, out = _disc()
    wide, _, _ = cross_section(person.skull, np.array([-0.25]))
    along = np.cos(turn) * (0.27 - 0.05 * np.sin(turn)) * np.minimum(out, 1)
    high = np.sin(turn) * (0.48 + 0.02 * np.cos(turn)) * np.minimum(out, 1)
    rim = np.maximum(1 - ((out - 0.88) / 0.16) ** 2, 0) ** 2
    upper = step(np.sin(turn), -0.75, -0.2)
    hollow = np.maximum(1 - ((along + 0.07) / 0.15) ** 2 - ((high + 0.06) / 0.2) ** 2, 0)
    fold = np.maximum(1 - ((out - 0.55) / 0.15) ** 2, 0) ** 2 * step(np.cos(turn), -0.2, 0.5)
    relief = 0.055 * rim * upper - 0.10 * hollow + 0.035 * fold - 0.12 * step(out, 1.0, 1.12)
    slope = 0.25 + 0.6 * person.ear_out
    shade = np.clip(0.35 + 0.65 * upper * rim + 0.5 * fold - 0.9 * hollow + 0.4 * (1 - upper), 0.12, 1)
    patches = []
    for side in (-1, 1):
        back = along * person.ear + 0.16
        lean = high * person.ear
        x = wide[0] - 0.06 + back * slope * 0.8 + relief
        z = -0.02 - back * (1 - 0.35 * slope) - lean * 0.18
        points = np.stack([side * x, lean - 0.2, z], -1)
        chart = np.stack([along, high, shade], -1)
        if side < 0:
            points, chart = points[:, ::-1], chart[:, ::-1]
        patches.append(Patch(Part.EAR, points[:, ::-1], chart[:, ::-1], np.ones(turn.shape), two_sided=True))
    return patches


def shoulders(face: Face, theta: Array) -> Patch:
    """From the collar down; the chart says how far below the neckline a point is."""
    shape = face.person.skull
    down = np.linspace(0, 1.6, 34) ** 1.5
    a, t = np.meshgrid(theta, down)
    y = -2.02 - 0.45 * step(np.cos(a), 0.2, 1) * (1 - t) - 1.3 * t
    sides = np.abs(np.sin(a))
    wide = shape.neck * 0.66 + 2.5 * np.sqrt(t) * (0.65 + 0.35 * t)
    deep = shape.neck * 0.74 + 0.85 * np.sqrt(t)
    radius = 1 / np.sqrt((sides / wide) ** 2 + (np.cos(a) / deep) ** 2)
    points = np.stack([radius * np.sin(a), y + 0.0 * sides, radius * np.cos(a) - 0.42], -1)
    chart = np.stack([a / (2 * np.pi), points[..., 1] * 0.25, _neckline(face, points)], -1)
    return Patch(Part.CLOTHES, points, chart, np.zeros(a.shape), closed=True)


def _neckline(face: Face, points: Array) -> Array:
    """Above zero on cloth, below on skin."""
    x, y, z = points[..., 0], points[..., 1], points[..., 2]
    front = step(z, -0.6, 0.1)
    kind = face.person.clothes
    if kind == "bare":
        return np.full(x.shape, -1.0)
    if kind == "v-neck":
        return front * (np.abs(x) * 1.4 - (y + 3.2)) + (1 - front) * 0.3
    if kind == "crew":
        return front * (np.abs(x) - 0.1 - (y + 2.62)) * 0.7 + (1 - front) * 0.3
    return np.full(x.shape, 0.5)


def spectacles(face: Face) -> list[Patch]:
    """Two rims, a bridge and two temples, as bent tubes."""
    glasses = face.person.glasses
    if glasses is None:
        return []
    middle = face.eye_x + 0.02
    turn = np.linspace(0, 2 * np.pi, 44)
    power = {"round": 1.0, "oval": 0.9, "square": 0.55}[glasses.shape]
    cosine, sine = np.cos(turn), np.sin(turn)
    wide = min(glasses.wide, middle - 0.1)
    high = wide if glasses.shape == "round" else glasses.high
    x = middle + wide * np.sign(cosine) * np.abs(cosine) ** power
    y = -0.03 + high * np.sign(sine) * np.abs(sine) ** power
    depth = float(front_depth(face, np.array([0.16]), np.array([0.08]))[0]) + 0.16
    bend = -0.16 * (x / (middle + wide)) ** 2
    rim = np.stack([x, y, depth + bend], -1)
    lines = [rim, rim * (-1, 1, 1)]
    across = np.linspace(-1, 1, 12)
    inner = middle - wide
    lines.append(np.stack([across * inner, 0.07 + 0.03 * (1 - across**2), depth + 0.01 - 0 * across], -1))
    skull_wide = float(cross_section(face.person.skull, np.array([0.05]))[0][0])
    for side in (-1, 1):
        t = np.linspace(0, 1, 14)
        ends = middle + wide + (skull_wide + 0.03 - middle - wide) * t**0.5
        lines.append(np.stack([side * ends, 0.08 - 0.02 * t, depth - 0.16 - (depth - 0.1) * t], -1))
    return [_tube(line, glasses.rim) for line in lines]


def _tube(line: Array, radius: float) -> Patch:
    along = np.gradient(line, axis=0)
    along /= np.linalg.norm(along, axis=1, keepdims=True)
    aside = np.cross(along, [0.1, 0.9, 0.42])
    aside /= np.linalg.norm(aside, axis=1, keepdims=True)
    over = np.cross(aside, along)
    turn = np.linspace(0, 2 * np.pi, _TUBE)
    ring = aside[:, None] * np.cos(turn)[:, None] + over[:, None] * np.sin(turn)[:, None]
    points = line[:, None] + radius * ring
    chart = np.zeros(points.shape)
    ones = np.ones(points.shape[:2])
    return Patch(Part.GLASSES, points, chart, ones, two_sided=True, cover=ones * THIN)
