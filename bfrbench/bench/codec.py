"""What a restored image goes through before it is scored and saved: a lossless file, or the board's lossy codec."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from bfrbench.bench.restoring import U8Batch
    from bfrbench.contracts import U8Image


EXTENSIONS = {"png": ".png", "jpeg": ".jpg", "webp": ".webp"}


def extension(codec: str) -> str:
    return EXTENSIONS[codec.partition(":")[0]]


def through(codec: str, images: U8Batch) -> U8Batch:
    """The images as a reader of the encoded files would see them."""
    if codec == "png":
        return images
    import numpy as np
    from PIL import Image

    return np.stack([np.asarray(Image.open(io.BytesIO(encode(codec, image))).convert("RGB")) for image in images])


def encode(codec: str, image: U8Image) -> bytes:
    """The bytes of the file: libjpeg and libwebp at the board's quality, 4:2:0 as they do by default."""
    from PIL import Image

    kind, _, quality = codec.partition(":")
    options = {"quality": int(quality)} if quality else {"compress_level": 1}
    sink = io.BytesIO()
    Image.fromarray(image).save(sink, {"png": "PNG", "jpeg": "JPEG", "webp": "WEBP"}[kind], **options)
    return sink.getvalue()


def save(folder: Path, codec: str, image_id: str, image: U8Image) -> None:
    """Save a restored image under its id, which may have folders in it."""
    from bfrbench import atomic

    atomic.write_bytes(image_path(folder, codec, image_id), encode(codec, image))


def image_path(folder: Path, codec: str, image_id: str) -> Path:
    return folder / f"{image_id}{extension(codec)}"
