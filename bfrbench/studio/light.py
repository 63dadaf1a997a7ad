"""Light: a key with soft shadows, a fill, sky and floor, blocked in hollows; skin lets red light through its edges."""

from __future__ import annotations

import numpy as np

from bfrbench.studio.curves import Array, step
from bfrbench.studio.mesh import Mesh, Part
from bfrbench.studio.paint import Pixels
from bfrbench.studio.parts import THIN
from bfrbench.studio.shoot import Light

_CELLS = 112
_F = np.float32
_THROUGH = {Part.SKIN: (0.30, 0.14, 0.09), Part.EAR: (0.45, 0.16, 0.10), Part.CLOTHES: (0.12, 0.10, 0.10)}
"""How far round the edge light reaches, per channel."""


def direction(light: Light) -> Array:
    """Towards the key light, camera frame."""
    a, b = np.deg2rad(light.azimuth), np.deg2rad(light.elevation)
    return np.array([np.sin(a) * np.cos(b), np.sin(b), np.cos(a) * np.cos(b)])


def exposure(mesh: Mesh, light: Light) -> Array:
    """Per vertex: how much of the key light and of the surroundings it sees, V×2."""
    solid = mesh.cover > THIN
    towards = direction(light)
    blocked = _blocked(mesh.points, solid, towards, 0.07, 0.10 + 0.16 * (1 - light.hardness), 2)
    hollow = 0.6 * _blocked(mesh.points, solid, np.array([0, 0.25, 0.97]), 0.02, 0.5, 4)
    hollow += 0.4 * _blocked(mesh.points, solid, np.array([0, 0.9, 0.44]), 0.05, 0.5, 4)
    return np.stack([1 - blocked, 1 - 0.75 * hollow], -1)


def _blocked(points: Array, solid: Array, towards: Array, bias: float, soft: float, spread: int) -> Array:
    """0 where nothing stands between a point and that direction, 1 where much does."""
    import cv2

    towards = towards / np.linalg.norm(towards)
    aside = np.cross([0.0, 1.0, 0.0], towards)
    aside /= np.linalg.norm(aside)
    over = np.cross(towards, aside)
    across, up, near = points @ aside, points @ over, points @ towards
    scale = _CELLS / 5.6
    column = np.clip((across + 2.8) * scale, 0, _CELLS - 1).astype(np.intp)
    row = np.clip((up + 3.0) * scale, 0, _CELLS - 1).astype(np.intp)
    cells = np.full(_CELLS * _CELLS, -9.0)
    cell = row * _CELLS + column
    np.maximum.at(cells, cell[solid], near[solid])
    nearest = cv2.dilate(cells.reshape(_CELLS, _CELLS).astype(_F), np.ones((3, 3), np.uint8))
    total = np.zeros(len(points), _F)
    offsets = [(0, 0), (1, 0), (-1, 0), (0, 1), (0, -1)]
    for dr, dc in offsets:
        r = np.clip(row + dr * spread, 0, _CELLS - 1)
        c = np.clip(column + dc * spread, 0, _CELLS - 1)
        total += np.clip((nearest[r, c] - near - bias) / soft, 0, 1).astype(_F)
    return total / len(offsets)


def shade(part: Part, pixels: Pixels, seen: Array, light: Light) -> Array:
    """Light that reaches the lens, 3×N. `seen` is `exposure` at the pixels, 2×N."""
    normal = pixels.normal
    towards = direction(light).astype(_F)
    facing = towards @ normal + pixels.bump
    key, open_ = np.clip(seen[0], 0, 1), np.clip(seen[1], 0, 1)
    sky, floor = (np.array([c], _F).T for c in (light.sky, light.floor))
    ambient = floor + (sky - floor) * (0.5 + 0.5 * normal[1])
    ambient = ambient * (0.75 + 0.25 * normal[2]) * (1 + 0.8 * pixels.bump) * open_
    colour = np.array([light.colour], _F).T * _F(light.key)
    out = np.empty_like(pixels.albedo)
    through = _THROUGH.get(part, (0.05, 0.05, 0.05))
    for channel in range(3):
        wrap = _F(through[channel])
        diffuse = np.maximum((facing + wrap) / (1 + wrap), 0)
        passed = np.minimum(key + wrap * key * (1 - key) * 2, 1)
        out[channel] = pixels.albedo[channel] * (ambient[channel] + colour[channel] * diffuse * passed)
    half = towards + np.array([0, 0, 1], _F)
    half = (half / np.linalg.norm(half)).astype(_F)
    shine = np.maximum(half @ normal + 0.5 * pixels.bump, 0)
    shine = shine * shine
    tight = {Part.HAIR: 3, Part.GLASSES: 4}.get(part, 3)
    for _ in range(tight):
        shine = shine * shine
    rim = 1 - np.clip(normal[2], 0, 1)
    rim = rim * rim * rim
    strength = {Part.HAIR: 0.10, Part.GLASSES: 0.5}.get(part, 0.13)
    edge = step(towards[0] * normal[0], -0.2, -0.9) * rim * _F(light.rim)
    out += pixels.gloss * (shine * key * strength * (0.4 + rim) * colour + 0.03 * rim * sky)
    out += edge * 0.5 * np.maximum(pixels.albedo, 0.05)
    return out
