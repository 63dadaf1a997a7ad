"""OpenCV's YuNet: small, fast, on the CPU."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bfrbench.contracts import Face
from bfrbench.errors import UsageError, WeightsError
from bfrbench.faces.scale import fit
from bfrbench.faces.vote import settle

if TYPE_CHECKING:
    from bfrbench.contracts import U8Image

_MAX_SIDE = 640
_SUPPRESS = 0.3
_KEEP_ALL = 1.0
_TOP = 5000


class YuNet:
    """Faces from about 10 to 500 pixels; images larger than 640 pixels are looked at in smaller form."""

    def __init__(self, name: str, path: Path, device: str = "cpu", threshold: float | None = None) -> None:
        import cv2

        if device != "cpu":
            raise UsageError(f"YuNet does not run on {device!r}", "choose device cpu or another detector")
        self.name = name
        score = 0.6 if threshold is None else threshold
        try:
            self._network: Any = cv2.FaceDetectorYN.create(str(path), "", (320, 320), score, _KEEP_ALL, _TOP)
        except cv2.error as error:
            reason = " ".join(str(error).split())[:200]
            raise WeightsError(f"{path} is not YuNet ({reason})", "give the file that the card names") from error

    def __call__(self, image: U8Image) -> list[Face]:
        scaled = fit(image, _MAX_SIDE)
        height, width = scaled.image.shape[:2]
        self._network.setInputSize((width, height))
        _, rows = self._network.detect(np.ascontiguousarray(scaled.image[..., ::-1]))
        if rows is None:
            return []
        boxes = rows[:, :4] + np.pad(rows[:, :2], ((0, 0), (2, 0)))  # width and height become right and bottom
        points = scaled.back(rows[:, 4:14].reshape(-1, 5, 2))
        return settle(boxes * np.tile(scaled.factor, 2), rows[:, 14], points, suppress=_SUPPRESS)

    def batch(self, images: Sequence[U8Image]) -> list[list[Face]]:
        return [self(image) for image in images]
