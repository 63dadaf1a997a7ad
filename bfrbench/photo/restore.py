"""One photograph: detect, cut out, restore, paste back. Files and folders are for `files`."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from bfrbench.contracts import Batch, Face
from bfrbench.errors import InputError, RestorerError
from bfrbench.faces.align import FFHQ_512, GPEN_512, compose, inverse, scaling, similarity, template, warp
from bfrbench.faces.detect import FaceDetector, main_face
from bfrbench.faces.paste import ColourMatch, match_colours, paste, soft_mask
from bfrbench.imaging.convert import from_tensor, to_tensor
from bfrbench.photo.background import Background, bicubic

if TYPE_CHECKING:
    from bfrbench.contracts import U8Image
    from bfrbench.faces.paste import Mask
    from bfrbench.restorers import LoadedRestorer

TEMPLATES = {"ffhq": FFHQ_512, "gpen": GPEN_512}
_AT_ONCE = 4
_SMALL = 32.0
_ANY_SIZE = 512


@dataclass(frozen=True)
class Choices:
    """How a photograph is restored."""

    upscale: int = 1
    only_center: bool = False
    alpha: float = 1.0
    """Share of the restored face in what is pasted; the rest is the face as it was."""
    colour: ColourMatch = "none"
    template: str = "ffhq"
    seed: int = 0


@dataclass
class Restored:
    """A restored photograph, how many faces it had, what is worth saying of it, and seconds of each stage."""

    image: U8Image
    faces: int
    notes: list[str] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def timed(self, stage: str) -> Iterator[None]:
        started = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[stage] = self.seconds.get(stage, 0.0) + time.perf_counter() - started


class PhotoRestorer:
    """Any restorer of faces, made a restorer of photographs."""

    def __init__(
        self,
        restorer: LoadedRestorer,
        detector: FaceDetector | None,
        choices: Choices | None = None,
        *,
        background: Background = bicubic,
        parser: Callable[[U8Image], Mask] | None = None,
    ) -> None:
        self.restorer, self.detector, self.choices = restorer, detector, choices or Choices()
        self.background, self.parser = background, parser
        self.side = restorer.spec.size or _ANY_SIZE

    def __call__(self, image: U8Image) -> Restored:
        """Restore every face of a photograph (or the main one)."""
        if self.detector is None:
            return self._aligned(image)
        result = Restored(image, 0)
        with result.timed("detect"):
            faces = self._faces(image, self.detector)
        with result.timed("background"):
            result.image = self.background(image, self.choices.upscale)
        if not faces:
            result.notes.append("no face was found, and nothing was restored")
        points = template(TEMPLATES[self.choices.template], self.side, 512)
        faces = sorted(faces, key=lambda face: face.score)  # where two overlap, the surer one lies on top
        for start in range(0, len(faces), _AT_ONCE):
            self._some(image, faces[start : start + _AT_ONCE], points, result)
        return result

    def _faces(self, image: U8Image, detector: FaceDetector) -> list[Face]:
        faces = detector(image)
        if not self.choices.only_center:
            return faces
        face = main_face(faces, (image.shape[1], image.shape[0]))
        return [face] if face else []

    def _some(
        self,
        image: U8Image,
        faces: list[Face],
        points: np.ndarray[tuple[int, ...], np.dtype[np.float32]],
        result: Restored,
    ) -> None:
        """A batch of faces, from the photograph to the canvas."""
        with result.timed("align"):
            matrices = [similarity(face.points, points) for face in faces]
            size = (self.side, self.side)
            crops = [warp(image, m, size, border="mirror", filter="cubic", shrink=True) for m in matrices]
        with result.timed("restore"):
            restored = self._restore(crops, result.faces)
        grow = inverse(scaling(self.choices.upscale, self.choices.upscale))
        for face, matrix, crop, new in zip(faces, matrices, crops, restored, strict=True):
            result.faces += 1
            result.notes += _notes(face, image.shape)
            with result.timed("mask"):
                mask = self.parser(new) if self.parser else soft_mask(self.side)
            with result.timed("paste"):
                paste(result.image, self._finish(new, crop, mask), compose(matrix, grow), mask)

    def _restore(self, crops: list[U8Image], first: int) -> list[U8Image]:
        import torch

        lq = torch.stack([to_tensor(crop) for crop in crops]).to(self.restorer.context.device)
        ids = tuple(f"face-{first + i}" for i in range(len(crops)))
        seeds = tuple(self.choices.seed + first + i for i in range(len(crops)))
        out = self.restorer.restore(Batch(ids, lq, seeds))
        if not bool(torch.isfinite(out).all()):
            raise RestorerError(f"{self.restorer.ref} gave values that are not finite", "try float32, or other weights")
        return [from_tensor(face) for face in out]

    def _finish(self, new: U8Image, crop: U8Image, mask: Mask) -> U8Image:
        new = match_colours(new, crop, self.choices.colour, mask)
        alpha = self.choices.alpha
        if alpha == 1:
            return new
        mixed = new.astype(np.float32) * alpha + crop.astype(np.float32) * (1 - alpha)
        return np.floor(mixed + 0.5).astype(np.uint8)

    def _aligned(self, image: U8Image) -> Restored:
        """The whole image is one aligned face: it comes back at the restorer's own size."""
        height, width = image.shape[:2]
        if height != width:
            raise InputError(f"it is {width}×{height}, and an aligned face is square", "leave out --aligned")
        result = Restored(image, 1)
        with result.timed("align"):
            side = self.restorer.spec.size or width
            matrix = scaling(side / width, side / height)
            crop = (
                image
                if side == width
                else warp(image, matrix, (side, side), border="mirror", filter="cubic", shrink=True)
            )
        with result.timed("restore"):
            result.image = self._finish(self._restore([crop], 0)[0], crop, soft_mask(side))
        return result


def _notes(face: Face, shape: tuple[int, ...]) -> list[str]:
    """What a user should know of a face before trusting its restoration."""
    box, height, width = face.box, shape[0], shape[1]
    small = max(box.right - box.left, box.bottom - box.top)
    cut = box.left < 0 or box.top < 0 or box.right > width or box.bottom > height
    where = f"the face at {(box.left + box.right) / 2:.0f}, {(box.top + box.bottom) / 2:.0f}"
    notes = []
    if small < _SMALL:
        notes.append(f"{where} is {small:.0f} pixels: most of what is restored is invented")
    if cut:
        notes.append(f"{where} is cut by the border: the rest was mirrored for the restorer")
    return notes
