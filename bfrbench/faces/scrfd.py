"""insightface's SCRFD from an ONNX file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bfrbench.contracts import Box, Face
from bfrbench.errors import WeightsError
from bfrbench.faces.networks import insightface_model

if TYPE_CHECKING:
    from bfrbench.contracts import U8Image

_CANVAS = (640, 640)


class Scrfd:
    """Sees every image fitted into 640×640, as insightface's own pipeline does."""

    def __init__(self, name: str, path: Path, device: str = "cpu", threshold: float | None = None) -> None:
        self.name = name
        self._model: Any = insightface_model(path, "SCRFD", device)
        if not self._model.use_kps:
            raise WeightsError(f"{path} finds boxes but no points", "use a SCRFD file with keypoints (KPS)")
        self._model.prepare(
            -1 if device == "cpu" else 0, input_size=_CANVAS, det_thresh=0.5 if threshold is None else threshold
        )

    def __call__(self, image: U8Image) -> list[Face]:
        boxes, points = self._model.detect(np.ascontiguousarray(image[..., ::-1]))
        faces = [
            Face(Box(*map(float, box[:4])), np.asarray(five, np.float32), float(box[4]))
            for box, five in zip(boxes, points, strict=True)
        ]
        return sorted(faces, key=lambda face: -face.score)

    def batch(self, images: Sequence[U8Image]) -> list[list[Face]]:
        return [self(image) for image in images]
