"""Detection rate: on how many restored images a detector still finds a face."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pydantic import Field

from bfrbench.config import Frozen
from bfrbench.contracts import Row, Scored
from bfrbench.imaging.convert import from_batch
from bfrbench.metrics.kind import Kind, Measure

if TYPE_CHECKING:
    from bfrbench.faces.detect import FaceDetector
    from bfrbench.weights import WeightStore


class DetectionChoices(Frozen):
    """What detection has to choose."""

    detector: str = Field(description="the face detector, by the name of its weight card")
    threshold: float = Field(gt=0, lt=1, description="the score from which on something counts as a face")


class DetectedFaces:
    """1 where a face was found, 0 where none was."""

    def __init__(self, detector: FaceDetector) -> None:
        self._detector = detector

    def rows(self, batch: Scored) -> Sequence[Row]:
        found = self._detector.batch(from_batch(batch.restored))
        return [Row(name, value=float(bool(faces))) for name, faces in zip(batch.ids, found, strict=True)]


class Detection(Kind[DetectionChoices]):
    """The share of images with a face."""

    Choices = DetectionChoices

    @property
    def weights(self) -> tuple[str, ...]:
        return (self.choices.detector,)

    def open(self, store: WeightStore | None, device: str) -> Measure:
        from bfrbench.faces.detect import detector_device, load_detector

        name = self.choices.detector
        return DetectedFaces(
            load_detector(name, store, detector_device(name, device), threshold=self.choices.threshold)
        )
