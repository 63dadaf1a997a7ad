"""Face detectors behind one type, by name. Each lives in a module of its own; how they differ ends here."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from bfrbench.contracts import Face
from bfrbench.errors import UnknownName
from bfrbench.faces.networks import store_or_default

if TYPE_CHECKING:
    from bfrbench.contracts import U8Image
    from bfrbench.weights import WeightStore

DETECTORS = {
    "retinaface-mobile0.25": "bfrbench.faces.retinaface:RetinaFace",
    "retinaface-r50": "bfrbench.faces.retinaface:RetinaFace",
    "scrfd-10g": "bfrbench.faces.scrfd:Scrfd",
    "yunet": "bfrbench.faces.yunet:YuNet",
}
"""Every detector; its name is that of its weight card too."""


_ON_THE_CPU = ("yunet",)
"""OpenCV's, which know no other device."""


class FaceDetector(Protocol):
    """Finds faces, best first. A batch gives what its images give one by one."""

    name: str

    def __call__(self, image: U8Image) -> list[Face]: ...
    def batch(self, images: Sequence[U8Image]) -> list[list[Face]]: ...


def load_detector(
    name: str, store: WeightStore | None = None, device: str = "cpu", *, threshold: float | None = None
) -> FaceDetector:
    """A detector ready to detect. `threshold` is the lowest score of a face; each detector has its own default."""
    if name not in DETECTORS:
        raise UnknownName("face detector", name, DETECTORS)
    module, _, kind = DETECTORS[name].partition(":")
    path = store_or_default(store).path(name)
    detector: FaceDetector = getattr(importlib.import_module(module), kind)(name, path, device, threshold)
    return detector


def detector_device(name: str, device: str) -> str:
    """Where metrics on `device` open a detector: YuNet beside them on the CPU, every other where they are."""
    return "cpu" if name in _ON_THE_CPU else device


def main_face(faces: Sequence[Face], size: tuple[int, int]) -> Face | None:
    """The face a portrait is of: the largest, unless another is nearer to the middle of an image of (width, height)."""
    centre = (size[0] / 2, size[1] / 2)

    def weight(face: Face) -> float:
        box = face.box
        area = (box.right - box.left) * (box.bottom - box.top)
        off = ((box.left + box.right) / 2 - centre[0]) ** 2 + ((box.top + box.bottom) / 2 - centre[1]) ** 2
        return area - 2 * off

    return max(faces, key=weight, default=None)
