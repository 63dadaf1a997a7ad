"""Looking at a large image in smaller form, and finding the way back to its own pixels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    from bfrbench.contracts import Points, U8Image


@dataclass(frozen=True, slots=True)
class Scaled:
    """An image as a detector sees it. `factor` (x, y) times its lengths gives the original's."""

    image: U8Image
    factor: npt.NDArray[np.float64]

    def back(self, points: npt.NDArray[np.float32]) -> Points:
        """Pixel coordinates of the original."""
        return ((points + 0.5) * self.factor - 0.5).astype(np.float32)


def fit(image: U8Image, max_side: int) -> Scaled:
    """No side longer than `max_side`; smaller images stay as they are."""
    height, width = image.shape[:2]
    if max(height, width) <= max_side:
        return Scaled(image, np.ones(2))
    import cv2

    shrink = max_side / max(height, width)
    size = (max(1, round(width * shrink)), max(1, round(height * shrink)))
    small: Any = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    return Scaled(small, np.array([width / size[0], height / size[1]]))


def by_size(images: Sequence[Scaled], max_pixels: int) -> Iterator[list[int]]:
    """Indices of images of equal size, in groups of at most `max_pixels` together."""
    groups: dict[tuple[int, ...], list[int]] = {}
    for index, scaled in enumerate(images):
        groups.setdefault(scaled.image.shape, []).append(index)
    for shape, indices in groups.items():
        step = max(1, max_pixels // (shape[0] * shape[1]))
        for start in range(0, len(indices), step):
            yield indices[start : start + step]
