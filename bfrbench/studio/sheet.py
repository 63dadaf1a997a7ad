"""Contact sheets: many pictures in one, with their landmarks where asked."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from bfrbench.contracts import U8Image
    from bfrbench.studio.rendering import Shot


def sheet(shots: Iterable[Shot], columns: int, *, landmarks: bool = False) -> U8Image:
    """Rows of `columns` pictures of one size, the last row filled with white."""
    tiles = [_marked(shot) if landmarks else shot.image for shot in shots]
    blank = np.full_like(tiles[0], 255)
    tiles += [blank] * (-len(tiles) % columns)
    rows = [np.hstack(tiles[start : start + columns]) for start in range(0, len(tiles), columns)]
    return np.ascontiguousarray(np.vstack(rows))


def _marked(shot: Shot) -> U8Image:
    image = shot.image.copy()
    size = len(image)
    reach = max(1, size // 128)
    for points, colour in ((shot.landmarks, (60, 255, 90)), (shot.points, (255, 40, 40))):
        for x, y in np.rint(points).astype(int):
            if 0 <= x < size and 0 <= y < size:
                image[max(0, y - reach) : y + reach, max(0, x - reach) : x + reach] = colour
    return image
