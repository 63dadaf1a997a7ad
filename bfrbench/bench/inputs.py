"""The way in: from an id to the images that restorer and metrics see, with labels and a digest of exactly those."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from bfrbench.degradations.library import severity_of
from bfrbench.errors import InputError

if TYPE_CHECKING:
    from bfrbench.bench.stage import Stage
    from bfrbench.contracts import Draw, Points, Pose, Sample, U8Image
    from bfrbench.digests import Digest


@dataclass(frozen=True, slots=True)
class Prepared:
    """One image, ready to be restored and scored."""

    id: str
    lq: U8Image
    gt: U8Image | None
    draw: Draw | None
    digest: Digest
    seed: int
    severity: float | None
    identity: str | None
    pose: Pose | None
    points: Points | None


def prepare(stage: Stage, image_id: str) -> Prepared:
    """Read, bring to the board's size, degrade, and take the digest."""
    board, sample = stage.board, stage.dataset[image_id]
    gt, draw, severity = _fitted(sample.gt, board.size, image_id), None, None
    if stage.recipe is None:
        lq = _enlarged(sample.image, board.size, image_id)
    else:
        truth = gt if gt is not None else _fitted(sample.image, board.size, image_id)
        assert truth is not None
        draw = stage.recipe.draw(board.seed, image_id)
        pair = stage.apply(truth, draw)
        lq, gt = _enlarged(pair.lq, board.size, image_id), pair.gt
        severity = severity_of(stage.recipe, draw)
    if severity is None and gt is not None:
        severity = _psnr(lq, gt)
    points = _moved(sample, board.size)
    digest, seed = _digest(lq, gt), seed_of(board.seed, image_id)
    return Prepared(image_id, lq, gt, draw, digest, seed, severity, sample.identity, sample.pose, points)


def seed_of(seed: int, image_id: str) -> int:
    """The seed that a restorer is given for an image: the same in whatever batch and process."""
    key = hashlib.blake2b(f"bfrbench-restore\0{seed}\0{image_id}".encode(), digest_size=8).digest()
    return int.from_bytes(key, "big") >> 1


def seed_of_sample(seed: int, sample: int) -> int:
    """The seed of an image for one of several answers to it; the first answer keeps the image's own."""
    if not sample:
        return seed
    key = hashlib.blake2b(f"bfrbench-sample\0{seed}\0{sample}".encode(), digest_size=8).digest()
    return int.from_bytes(key, "big") >> 1


def _fitted(image: U8Image | None, size: int, image_id: str) -> U8Image | None:
    """A ground truth at the board's size: area-averaged down, as the field does it, and never enlarged."""
    if image is None or image.shape[:2] == (size, size):
        return image
    import cv2

    height, width = image.shape[:2]
    if height != width or height < size:
        problem = f"image {image_id!r} is {width}×{height} px and the board compares at {size}×{size}"
        raise InputError(problem, "prepare the set with aligned faces of at least that size")
    return cast("U8Image", cv2.resize(image, (size, size), interpolation=cv2.INTER_AREA))


def _enlarged(image: U8Image, size: int, image_id: str) -> U8Image:
    """A low-quality image at the board's size: bicubic when it is smaller."""
    if image.shape[:2] == (size, size):
        return image
    height, width = image.shape[:2]
    if height != width or height > size:
        fitted = _fitted(image, size, image_id)
        assert fitted is not None
        return fitted
    import numpy as np
    from PIL import Image

    return np.asarray(Image.fromarray(image).resize((size, size), Image.Resampling.BICUBIC))


def _moved(sample: Sample, size: int) -> Points | None:
    """The five points where they lie at the board's size."""
    if sample.points is None:
        return None
    height, width = (sample.gt if sample.gt is not None else sample.image).shape[:2]
    if (height, width) == (size, size):
        return sample.points
    import numpy as np

    scale = np.array([size / width, size / height], np.float32)
    moved: Points = ((sample.points + np.float32(0.5)) * scale - np.float32(0.5)).astype(np.float32)
    return moved


def _digest(lq: U8Image, gt: U8Image | None) -> Digest:
    import numpy as np

    running = hashlib.sha256()
    for image in (lq, gt):
        running.update(b"none" if image is None else f"{image.shape}".encode())
        if image is not None:
            running.update(np.ascontiguousarray(image).data)
    return running.hexdigest()


def _psnr(lq: U8Image, gt: U8Image) -> float | None:
    """How far a given low-quality image is from its ground truth, in dB; None when they are equal."""
    import numpy as np

    error = float(np.mean(np.square(lq.astype(np.float32) - gt.astype(np.float32)), dtype=np.float64))
    return 20 * math.log10(255) - 10 * math.log10(error) if error else None
