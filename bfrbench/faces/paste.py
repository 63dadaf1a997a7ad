"""Pasting a restored face back: a soft mask, colours matched if asked for, and a blend through the exact inverse.

Nothing outside the mask changes by a single level. Which faces, and how they were restored, is for callers.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np

from bfrbench.faces.align import apply, compose, inverse, warp

if TYPE_CHECKING:
    import numpy.typing as npt

    from bfrbench.contracts import U8Image
    from bfrbench.faces.align import Matrix

    Mask = npt.NDArray[np.float32]

ColourMatch: TypeAlias = Literal["none", "statistics", "lowpass"]

_INNER, _OUTER = 0.70, 0.94
_POWER = 3.0


@functools.lru_cache(maxsize=8)
def soft_mask(size: int) -> Mask:
    """One inside a rounded square, falling smoothly to nothing before the crop's border: convex, without corners."""
    along = np.abs((np.arange(size) + 0.5) / size * 2 - 1)
    radius = (along[:, None] ** _POWER + along[None, :] ** _POWER) ** (1 / _POWER)
    fall = np.clip((_OUTER - radius) / (_OUTER - _INNER), 0, 1)
    mask: Mask = (fall * fall * (3 - 2 * fall)).astype(np.float32)
    mask.flags.writeable = False
    return mask


def match_colours(restored: U8Image, crop: U8Image, how: ColourMatch, mask: Mask) -> U8Image:
    """Give a restored face the colours of what it replaces.

    `statistics`: mean and deviation of each channel under the mask; `lowpass`: everything coarser than a
    sixteenth of the crop.
    """
    if how == "none":
        return restored
    import cv2

    new, old = restored.astype(np.float32), crop.astype(np.float32)
    if how == "statistics":
        weight = mask[..., None] / mask.sum()
        mean_new, mean_old = (new * weight).sum((0, 1)), (old * weight).sum((0, 1))
        var_new = (((new - mean_new) ** 2) * weight).sum((0, 1))
        var_old = (((old - mean_old) ** 2) * weight).sum((0, 1))
        new = (new - mean_new) * np.sqrt(var_old / np.maximum(var_new, 1e-6)) + mean_old
    else:
        sigma = restored.shape[0] / 16
        new += cv2.GaussianBlur(old, (0, 0), sigma) - cv2.GaussianBlur(new, (0, 0), sigma)
    matched: U8Image = np.clip(np.floor(new + 0.5), 0, 255).astype(np.uint8)
    return matched


def paste(canvas: U8Image, face: U8Image, matrix: Matrix, mask: Mask) -> None:
    """Blend an aligned face into `canvas`, in place. `matrix` is the one that cut the face out of it."""
    back = inverse(matrix)
    left, top, right, bottom = _reach(back, face.shape[1], face.shape[0], canvas.shape)
    if left >= right or top >= bottom:
        return
    back = compose(np.array([[1.0, 0, -left], [0, 1, -top]]), back)
    size = (right - left, bottom - top)
    share = np.clip(warp(mask, back, size, shrink=True), 0, 1)[..., None]
    drawn = warp(face, back, size, border="mirror", filter="cubic", shrink=True).astype(np.float32)
    part = canvas[top:bottom, left:right]
    mixed = part + share * (drawn - part)
    part[...] = np.where(share > 0, np.clip(np.floor(mixed + 0.5), 0, 255), part).astype(np.uint8)


def footprint(canvas_shape: tuple[int, ...], matrix: Matrix, mask: Mask) -> Mask:
    """Where, and how strongly, `paste` would change a canvas of this shape."""
    whole = np.zeros(canvas_shape[:2], np.float32)
    back = inverse(matrix)
    left, top, right, bottom = _reach(back, mask.shape[1], mask.shape[0], canvas_shape)
    if left < right and top < bottom:
        shifted = compose(np.array([[1.0, 0, -left], [0, 1, -top]]), back)
        whole[top:bottom, left:right] = np.clip(warp(mask, shifted, (right - left, bottom - top), shrink=True), 0, 1)
    return whole


def _reach(back: Matrix, width: int, height: int, canvas: tuple[int, ...]) -> tuple[int, int, int, int]:
    """The part of the canvas that a crop can touch: left, top, right, bottom."""
    corners = np.array([[0, 0], [width, 0], [0, height], [width, height]], np.float32)
    seen: npt.NDArray[Any] = apply(back, corners)
    low = np.floor(seen.min(axis=0)).astype(int) - 2
    high = np.ceil(seen.max(axis=0)).astype(int) + 3
    limit = (canvas[1], canvas[0])
    left, top = (int(np.clip(v, 0, m)) for v, m in zip(low, limit, strict=True))
    right, bottom = (int(np.clip(v, 0, m)) for v, m in zip(high, limit, strict=True))
    return left, top, right, bottom
