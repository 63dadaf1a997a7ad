"""Which triangle every pixel sees, and where on it: the painter's algorithm over all candidate pixels at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bfrbench.studio.curves import Array
from bfrbench.studio.mesh import Mesh


@dataclass(frozen=True, slots=True)
class Visible:
    """The pixels that see a triangle: their place, the triangle, the weights of its corners."""

    pixel: Array
    face: Array
    weights: Array
    """3×N."""

    def interpolate(self, corners: Array, values: Array) -> Array:
        """Values of vertices (V×K) at the pixels, K×N float32."""
        values = np.ascontiguousarray(values, np.float32)
        first, second, third = (values[corners[self.face, k]] * self.weights[k][:, None] for k in range(3))
        return np.ascontiguousarray((first + second + third).T)


def look(mesh: Mesh, screen: Array, depth: Array, size: int, grain: Array | None = None) -> Visible:
    """Pixels of a size×size picture that the mesh covers. `screen` is V×2 in pixels, `depth` grows away from the camera.

    `grain`, one value per vertex, is added to the mesh's cover before its sign is read.
    """
    faces = mesh.faces
    corner = screen[faces]
    a, b, c = corner[:, 0], corner[:, 1], corner[:, 2]
    area = (b[:, 0] - a[:, 0]) * (c[:, 1] - a[:, 1]) - (c[:, 0] - a[:, 0]) * (b[:, 1] - a[:, 1])
    low = np.ceil(corner.min(1) - 0.5).astype(np.int32).clip(0, size)
    high = np.floor(corner.max(1) - 0.5).astype(np.int32).clip(-1, size - 1) + 1
    extent = high - low
    cover = mesh.cover if grain is None else mesh.cover + grain
    worth = (extent > 0).all(1) & ((area < -1e-9) | (mesh.two_sided & (area > 1e-9))) & (cover[faces].max(1) > 0)
    chosen = np.flatnonzero(worth)
    chosen = chosen[np.argsort(-depth[faces[chosen]].sum(1), kind="stable")]
    a, b, c, area, low, extent = a[chosen], b[chosen], c[chosen], area[chosen], low[chosen], extent[chosen]

    counts = extent[:, 0] * extent[:, 1]
    owner = np.repeat(np.arange(len(chosen), dtype=np.int32), counts)
    first = np.cumsum(counts) - counts
    place = np.arange(len(owner), dtype=np.int32) - first.astype(np.int32)[owner]
    width = extent[:, 0].astype(np.int32)[owner]
    dy = place // width
    dx = place - dy * width
    inverse = 1 / area
    start = low + 0.5 - a

    def weight(edge: Array) -> Array:
        """Of the corner across from `edge`, which starts at a: linear over the triangle's rectangle of pixels."""
        gx, gy = -edge[:, 1] * inverse, edge[:, 0] * inverse
        at = (gx * start[:, 0] + gy * start[:, 1]).astype(np.float32)
        return at[owner] + gx.astype(np.float32)[owner] * dx + gy.astype(np.float32)[owner] * dy

    third = weight(b - a)
    second = -weight(c - a)
    tolerance = np.float32(-1e-4)
    inside = np.flatnonzero((second >= tolerance) & (third >= tolerance) & (second + third <= 1 - tolerance))
    owner, second, third = owner[inside], second[inside], third[inside]
    own = faces[chosen]
    if (cover[own].min(1) <= 0).any():
        corners = cover[own].astype(np.float32)
        value = corners[owner, 0] * (1 - second - third) + corners[owner, 1] * second + corners[owner, 2] * third
        solid = np.flatnonzero(value > 0)
        inside, owner, second, third = inside[solid], owner[solid], second[solid], third[solid]
    pixel = (low[owner, 1] + dy[inside]) * size + low[owner, 0] + dx[inside]
    winner = np.full(size * size, -1, np.int32)
    winner[pixel] = np.arange(len(pixel), dtype=np.int32)
    seen = np.flatnonzero(winner >= 0)
    best = winner[seen]
    second, third = second[best], third[best]
    return Visible(seen, chosen[owner[best]], np.stack([1 - second - third, second, third]))
