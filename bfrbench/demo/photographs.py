"""Whole photographs for the demonstration: found in installed libraries, made worse, restored, set side by side.

Where their faces are stands in `photographs.toml`.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from bfrbench.config import Frozen, parse, read_toml
from bfrbench.contracts import Box, Face

if TYPE_CHECKING:
    from bfrbench.contracts import U8Image

CARD = Path(__file__).with_name("photographs.toml")
DEGRADATION = "vqfr-1@128"
SEED = 3
_SHRINK = 2
"""Faces then have about the size of a face in the crops that the small models take."""


class KnownFace(Frozen):
    """A face's box and five points, in pixels of the photograph as it is stored."""

    box: tuple[float, float, float, float]
    points: tuple[tuple[float, float], ...]

    def shrunk(self, factor: int) -> Face:
        left, top, right, bottom = (value / factor for value in self.box)
        return Face(Box(left, top, right, bottom), np.asarray(self.points, np.float32) / np.float32(factor), 1.0)


class Photograph(Frozen):
    """One entry of the card."""

    name: str
    package: str
    file: str
    sha256: str
    credit: str
    face: tuple[KnownFace, ...]

    def path(self) -> Path | None:
        """Where it lies, if the library is here and holds the very file that the points were found in."""
        from bfrbench.digests import of_file

        spec = importlib.util.find_spec(self.package)
        if spec is None or spec.origin is None:
            return None
        path = Path(spec.origin).parent / self.file
        return path if path.is_file() and of_file(path) == self.sha256 else None


class _Card(Frozen):
    photograph: tuple[Photograph, ...]


@dataclass
class KnownFaces:
    """A detector that was told."""

    faces: tuple[Face, ...]
    name: str = "known"

    def __call__(self, image: U8Image) -> list[Face]:
        return list(self.faces)

    def batch(self, images: Sequence[U8Image]) -> list[list[Face]]:
        return [self(image) for image in images]


def photographs() -> tuple[Photograph, ...]:
    return parse(read_toml(CARD), _Card, where=CARD.name).photograph


def restore_photographs(restorers: Sequence[str], out: Path) -> list[Path]:
    """For each photograph that is here, one picture: degraded, restored by each, and as it was."""
    from bfrbench import load_restorer
    from bfrbench.imaging.write import write_image
    from bfrbench.photo.restore import PhotoRestorer

    loaded = [load_restorer(ref) for ref in restorers]
    written = []
    for photograph in photographs():
        path = photograph.path()
        if path is None:
            continue
        sharp, degraded = _pair(path, photograph.name)
        known = KnownFaces(tuple(face.shrunk(_SHRINK) for face in photograph.face))
        restored = [PhotoRestorer(restorer, known)(degraded).image for restorer in loaded]
        target = out / f"{photograph.name}.png"
        write_image(target, _beside([degraded, *restored, sharp]))
        written.append(target)
    return written


def _pair(path: Path, name: str) -> tuple[U8Image, U8Image]:
    """The photograph at half its size, and what the degradation makes of that."""
    import cv2

    from bfrbench.degradations import load_recipe
    from bfrbench.imaging.read import read_image

    image = read_image(path)
    size = (image.shape[1] // _SHRINK, image.shape[0] // _SHRINK)
    sharp: U8Image = cv2.resize(image, size, interpolation=cv2.INTER_AREA)  # type: ignore[assignment]
    recipe = load_recipe(DEGRADATION)
    pair = recipe.apply(sharp, recipe.draw(SEED, name))
    return sharp, pair.lq


def _beside(images: Sequence[U8Image]) -> U8Image:
    """In a row, or, for wide pictures, in a column."""
    height, width = images[0].shape[:2]
    along = 1 if width <= height else 0
    return np.concatenate(list(images), axis=along)
