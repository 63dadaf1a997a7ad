"""Tasks written as degradations: brush strokes for inpainting, the palette of parsing maps for segmentation to face."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from bfrbench.errors import InputError

if TYPE_CHECKING:
    import numpy.typing as npt

    from bfrbench.contracts import U8Image

PALETTE = {
    "background": (0, 0, 0),
    "skin": (204, 0, 0),
    "nose": (76, 153, 0),
    "glasses": (204, 204, 0),
    "left eye": (51, 51, 255),
    "right eye": (204, 0, 204),
    "left brow": (0, 255, 255),
    "right brow": (255, 204, 204),
    "left ear": (102, 51, 0),
    "right ear": (255, 0, 0),
    "mouth": (102, 204, 0),
    "upper lip": (255, 255, 0),
    "lower lip": (0, 0, 153),
    "hair": (0, 0, 204),
    "hat": (255, 51, 153),
    "earring": (0, 204, 204),
    "necklace": (0, 51, 0),
    "neck": (255, 153, 51),
    "cloth": (0, 204, 0),
}
"""CelebAMask-HQ's classes, by number, and the colours its authors show them in (RGB)."""


def strokes_mask(height: int, width: int, args: Mapping[str, Any]) -> npt.NDArray[np.bool_]:
    """Where the brush went; the line width is in pixels, corners are fractions of the sides."""
    mask = np.zeros((height, width), np.uint8)
    for line in args["lines"]:
        corners = np.array(line["corners"]) * [width - 1, height - 1]
        points = np.rint(corners).astype(np.int32).reshape(-1, 1, 2)
        cv2.polylines(mask, [points], isClosed=False, color=1, thickness=int(line["width"]))
    return mask.astype(bool)


def palette(labels: U8Image | None, shape: tuple[int, ...]) -> U8Image:
    """The parsing map in colours."""
    if labels is None:
        raise InputError("the palette needs a parsing map for each image", "give labels (--labels FOLDER)")
    if labels.shape != shape[:2]:
        raise InputError(
            f"the parsing map is {labels.shape[:2]}, the image {shape[:2]}", "give a one-channel map of the same size"
        )
    if labels.max() >= len(PALETTE):
        raise InputError(
            f"the parsing map holds class {labels.max()}, known are 0–{len(PALETTE) - 1}",
            f"use CelebAMask-HQ's numbers ({', '.join(PALETTE)})",
        )
    return np.array(list(PALETTE.values()), np.uint8)[labels]
