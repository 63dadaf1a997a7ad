"""Real encoders on the exact road: libjpeg-turbo (4:2:0, integer transform) and libwebp, through OpenCV and Pillow."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from bfrbench.contracts import U8Image


def jpeg_bytes(image: U8Image, quality: int) -> bytes:
    options = [
        cv2.IMWRITE_JPEG_QUALITY,
        quality,
        cv2.IMWRITE_JPEG_SAMPLING_FACTOR,
        cv2.IMWRITE_JPEG_SAMPLING_FACTOR_420,
    ]
    return cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), options)[1].tobytes()


def jpeg(image: U8Image, quality: int) -> U8Image:
    """Encoded and decoded."""
    data = np.frombuffer(jpeg_bytes(image, quality), np.uint8)
    return cv2.imdecode(data, cv2.IMREAD_COLOR_RGB)  # type: ignore[return-value]


def webp(image: U8Image, quality: int) -> U8Image:
    from PIL import Image

    encoded = io.BytesIO()
    Image.fromarray(image).save(encoded, "WEBP", quality=quality, method=4)
    return np.asarray(Image.open(encoded).convert("RGB"))
