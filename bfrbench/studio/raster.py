"""Which triangle every pixel sees, and where on it: the painter's algorithm over blocks of candidate pixels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bfrbench.studio.curves import Array
from bfrbench.studio.mesh import Mesh

_BLOCK = 1 << 15
"""Candidate pixels at a time: few enough to stay in a core's cache."""
_F = np.float32
_EDGE = _F(-1e-4)


@dataclass(frozen=True, slots=True)
class Visible:
    """The pixels that see a triangle: their place, the triangle, the weights of its second and third corner."""

    pixel: Array
    face: Array
    second: Array
    third: Array

    def interpolate(self, corners: Array, values: Array) -> Array:
        """Values of vertices (V×K) at the pixels, K×N float32."""
        values = np.ascontiguousarray(values, _F)
        out = np.empty((values.shape[1], self.pixel.size), _F)
        for start in range(0, self.pixel.size, _BLOCK // 2):
            part = slice(start, start + _BLOCK // 2)
            a, b, c = corners[self.face[part]].T
            second, third = self.second[part, None], self.third[part, None]
            total = values[a] * (1 - second - third)
            total += values[b] * second
            total += values[c] * third
            out[:, part] = total.T
        return out


@dataclass(frozen=True, slots=True)
class _Candidates:
    """Triangles worth looking at, farthest first, with the rectangle of pixels each may cover."""

    face: Array
    low: Array
    """First pixel, T×2."""
    extent: Array
    weights: Array
    """6×T: of second and third corner at the first pixel, their slopes to the right and down."""
    cover: Array
    """T×3."""


def look(mesh: Mesh, screen: Array, depth: Array, size: int) -> Visible:
    """Pixels of a size×size picture that the mesh covers. `screen` is V×2 in pixels, `depth` grows away."""
    candidates = _candidates(mesh, screen, depth, size)
    face = np.full(size * size, -1, np.int32)
    weights = np.zeros((2, size * size), _F)
    ends = np.cumsum(candidates.extent[:, 0] * candidates.extent[:, 1])
    stops = np.searchsorted(ends, np.arange(_BLOCK, (ends[-1] if ends.size else 0) + _BLOCK, _BLOCK))
    start = 0
    for stop in np.minimum(stops + 1, len(ends)):
        if stop > start:
            _paint(candidates, slice(start, stop), size, face, weights)
        start = stop
    pixel = np.flatnonzero(face >= 0)
    return Visible(pixel, face[pixel], weights[0, pixel], weights[1, pixel])


def _candidates(mesh: Mesh, screen: Array, depth: Array, size: int) -> _Candidates:
    i, j, k = mesh.faces.T
    a, b, c = screen[i], screen[j], screen[k]
    ab, ac = b - a, c - a
    area = ab[:, 0] * ac[:, 1] - ac[:, 0] * ab[:, 1]
    low = np.ceil(np.minimum(np.minimum(a, b), c) - 0.5).astype(np.int32).clip(0, size)
    extent = np.floor(np.maximum(np.maximum(a, b), c) + 0.5).astype(np.int32).clip(0, size) - low
    covered = np.maximum(np.maximum(mesh.cover[i], mesh.cover[j]), mesh.cover[k]) > 0
    towards = (area < -1e-9) | (mesh.two_sided & (area > 1e-9))
    chosen = np.flatnonzero((extent[:, 0] > 0) & (extent[:, 1] > 0) & towards & covered)
    i, j, k = i[chosen], j[chosen], k[chosen]
    order = np.argsort(-(depth[i] + depth[j] + depth[k]), kind="stable")
    chosen, i, j, k = chosen[order], i[order], j[order], k[order]
    inverse = 1 / area[chosen]
    low, ab, ac = low[chosen], ab[chosen], ac[chosen]
    offset = low + 0.5 - a[chosen]
    slopes = np.stack([ac[:, 1], -ac[:, 0], -ab[:, 1], ab[:, 0]]) * inverse
    second = slopes[0] * offset[:, 0] + slopes[1] * offset[:, 1]
    third = slopes[2] * offset[:, 0] + slopes[3] * offset[:, 1]
    weights = np.stack([second, third, *slopes]).astype(_F)
    cover = np.stack([mesh.cover[i], mesh.cover[j], mesh.cover[k]], -1).astype(_F)
    return _Candidates(chosen.astype(np.int32), low, extent[chosen], weights, cover)


def _paint(candidates: _Candidates, block: slice, size: int, face: Array, weights: Array) -> None:
    """Mark the pixels of these triangles; what is painted later is nearer, and numpy's last assignment stays."""
    low, extent = candidates.low[block], candidates.extent[block]
    counts = extent[:, 0] * extent[:, 1]
    owner = np.repeat(np.arange(len(counts), dtype=np.int32), counts)
    place = np.arange(owner.size, dtype=np.int32) - np.repeat((np.cumsum(counts) - counts).astype(np.int32), counts)
    dy = ((place + _F(0.5)) * np.repeat(1 / extent[:, 0].astype(_F), counts)).astype(np.int32)
    dx = place - dy * np.repeat(extent[:, 0], counts)
    at = [np.repeat(column, counts) for column in candidates.weights[:, block]]
    second = at[0] + at[2] * dx + at[3] * dy
    third = at[1] + at[4] * dx + at[5] * dy
    inside = (second >= _EDGE) & (third >= _EDGE) & (second + third <= 1 - _EDGE)
    cover = candidates.cover[block]
    if (cover <= 0).any():
        corners = cover[owner]
        inside &= corners[:, 0] + (corners[:, 1] - corners[:, 0]) * second + (corners[:, 2] - corners[:, 0]) * third > 0
    kept = np.flatnonzero(inside)
    owner = owner[kept]
    pixel = (low[owner, 1] + dy[kept]) * size + low[owner, 0] + dx[kept]
    face[pixel] = candidates.face[block][owner]
    weights[0, pixel] = second[kept]
    weights[1, pixel] = third[kept]
