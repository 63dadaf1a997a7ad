"""Grids of points as triangles with what every pixel needs to know of them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from bfrbench.studio.curves import Array


class Part(IntEnum):
    """What a triangle belongs to."""

    SKIN = 0
    EAR = 1
    HAIR = 2
    CLOTHES = 3
    GLASSES = 4


@dataclass(frozen=True, slots=True)
class Patch:
    """One grid of the scene, rows × columns."""

    part: Part
    points: Array
    """…×3, in the head's frame: x right, y up, z to the front."""
    chart: Array
    """…×3, the part's own coordinates, which its paint reads."""
    follows: Array
    """1 where a point turns with the head, 0 where it stays with the shoulders."""
    closed: bool = False
    """Whether the last column meets the first."""
    two_sided: bool = False
    cover: Array | None = None
    """Where given, the surface exists only where this is above zero (plus noise): the edge of hair."""


@dataclass(frozen=True, slots=True)
class Mesh:
    """All patches in one: vertices, triangles and their parts."""

    points: Array
    """Camera frame."""
    head: Array
    """Head frame."""
    normals: Array
    chart: Array
    cover: Array
    faces: Array
    parts: Array
    two_sided: Array


def normals(points: Array, closed: bool) -> Array:
    """Unit normals of a grid, outwards for rows that run down and columns that run to the right seen from outside."""
    if closed:
        across = np.roll(points, -1, 1) - np.roll(points, 1, 1)
    else:
        across = np.gradient(points, axis=1)
    down = np.gradient(points, axis=0)
    out = np.cross(down, across)
    length = np.sqrt((out * out).sum(-1, keepdims=True))
    result: Array = out / np.maximum(length, 1e-9)
    return result


def triangles(rows: int, columns: int, closed: bool) -> Array:
    index = np.arange(rows * columns, dtype=np.int32).reshape(rows, columns)
    right = np.roll(index, -1, 1) if closed else index[:, 1:]
    left = index if closed else index[:, :-1]
    a, b, c, d = left[:-1], right[:-1], left[1:], right[1:]
    return np.stack([np.stack([a, c, b], -1), np.stack([b, c, d], -1)], 2).reshape(-1, 3)


def merge(patches: list[Patch], posed: list[Array]) -> Mesh:
    """One mesh of the patches, whose points in the camera's frame are `posed`."""
    faces, parts, sided, start = [], [], [], 0
    for patch in patches:
        rows, columns = patch.points.shape[:2]
        own = triangles(rows, columns, patch.closed)
        faces.append(own + start)
        parts.append(np.full(len(own), patch.part, np.uint8))
        sided.append(np.full(len(own), patch.two_sided))
        start += rows * columns
    return Mesh(
        points=np.concatenate([grid.reshape(-1, 3) for grid in posed]),
        head=np.concatenate([patch.points.reshape(-1, 3) for patch in patches]),
        normals=np.concatenate(
            [normals(grid, patch.closed).reshape(-1, 3) for grid, patch in zip(posed, patches, strict=True)]
        ),
        chart=np.concatenate([patch.chart.reshape(-1, 3) for patch in patches]),
        cover=np.concatenate([np.ones(p.points.size // 3) if p.cover is None else p.cover.ravel() for p in patches]),
        faces=np.concatenate(faces),
        parts=np.concatenate(parts),
        two_sided=np.concatenate(sided),
    )
