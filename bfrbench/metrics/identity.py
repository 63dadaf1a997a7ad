"""Identity: how alike a recognition network finds the restored face and the true one.

Both faces are cut out by the same five points, the ground truth's, so a restorer that moves the eyes cannot choose
its own crop; a face that cannot be found is counted and scores what the protocol says.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from bfrbench.config import Frozen
from bfrbench.contracts import Row, Scored
from bfrbench.imaging.convert import from_batch
from bfrbench.metrics.finaliser import Failure, Finaliser
from bfrbench.metrics.kind import C, Kind, Measure
from bfrbench.metrics.mean import Mean
from bfrbench.metrics.per_image import ground_truth

if TYPE_CHECKING:
    from bfrbench.contracts import Points, U8Image
    from bfrbench.faces.detect import FaceDetector
    from bfrbench.faces.recognise import Recogniser
    from bfrbench.metrics.features import F32
    from bfrbench.weights import WeightStore


class IdentityChoices(Frozen):
    """What has to be chosen before two faces can be compared."""

    engine: str = Field(description="the recognition network, by the name of its weight card")
    align: Literal["gt", "own"] = Field(
        description="gt: both faces are cut by the ground truth's five points; own: each by the points found on it"
    )
    points: Literal["given", "detected"] = Field(
        description="where the ground truth's points come from: the data set where it has them, or always the detector"
    )
    detector: str = Field(description="the face detector for points that are not given, by the name of its weight card")


ROW_CHOICES = tuple(IdentityChoices.model_fields)


class IdentityKind(Kind[C]):
    """What the metrics on pairs of embeddings have in common: their rows."""

    rows_family = "identity"
    row_choices = ROW_CHOICES
    keeps_truth = True

    @property
    def weights(self) -> tuple[str, ...]:
        return (self.choices.engine, self.choices.detector)  # type: ignore[attr-defined]

    def open(self, store: WeightStore | None, device: str) -> Measure:
        chosen = IdentityChoices.model_validate({name: getattr(self.choices, name) for name in ROW_CHOICES})
        return FacePairs(chosen, store, device)


class FacePairs:
    """One row per image: the cosine, and both embeddings as its feature, or the truth's alone where only that could be
    found."""

    def __init__(self, choices: IdentityChoices, store: WeightStore | None, device: str) -> None:
        from bfrbench.faces.recognise import load_recogniser

        self._choices, self._store, self._device = choices, store, device
        self._recogniser: Recogniser = load_recogniser(choices.engine, store, device)
        self._detector: FaceDetector | None = None

    def rows(self, batch: Scored) -> Sequence[Row]:
        restored, truth = from_batch(batch.restored), from_batch(ground_truth(batch))
        given = batch.points if self._choices.points == "given" else None
        theirs = self._found(truth, given)
        ours = theirs if self._choices.align == "gt" else self._found(restored, None)
        known = [index for index in range(len(truth)) if theirs[index] is not None]
        whole = [index for index in known if ours[index] is not None]
        crops = [self._crop(restored[i], ours[i]) for i in whole] + [self._crop(truth[i], theirs[i]) for i in known]
        embedded = self._recogniser.embed(crops)
        first, second = dict(zip(whole, embedded, strict=False)), dict(zip(known, embedded[len(whole) :], strict=True))
        return [_row(name, first.get(index), second.get(index)) for index, name in enumerate(batch.ids)]

    def _found(self, pictures: Sequence[U8Image], given: Sequence[Points | None] | None) -> list[Points | None]:
        points: list[Points | None] = list(given) if given is not None else [None] * len(pictures)
        unknown = [index for index, known in enumerate(points) if known is None]
        if unknown:
            for index, found in zip(unknown, self._detect([pictures[i] for i in unknown]), strict=True):
                points[index] = found
        return points

    def _detect(self, pictures: Sequence[U8Image]) -> list[Points | None]:
        """The detector is opened when a set first turns out to have no points."""
        from bfrbench.faces.detect import detector_device, load_detector, main_face

        if self._detector is None:
            name = self._choices.detector
            self._detector = load_detector(name, self._store, detector_device(name, self._device))
        faces = [
            main_face(found, (picture.shape[1], picture.shape[0]))
            for found, picture in zip(self._detector.batch(pictures), pictures, strict=True)
        ]
        return [None if face is None else face.points for face in faces]

    def _crop(self, picture: U8Image, points: Points | None) -> U8Image:
        assert points is not None
        return self._recogniser.crop(picture, points)


def _row(name: str, ours: F32 | None, truth: F32 | None) -> Row:
    import numpy as np

    if truth is None:
        return Row(name, "no_face")
    if ours is None:
        return Row(name, "no_face", feature=truth[None])
    return Row(name, value=float(ours.astype(float) @ truth.astype(float)), feature=np.stack([ours, truth]))


class IdentityCosine(IdentityKind[IdentityChoices]):
    """Mean cosine over images."""

    Choices = IdentityChoices


class DegChoices(IdentityChoices):
    """What the angle has to choose besides."""

    unit: Literal["degrees", "radians"] = Field(description="of the angle")


class Deg(IdentityKind[DegChoices]):
    """Mean angle between embeddings over images."""

    Choices = DegChoices

    @property
    def finaliser(self) -> Finaliser[Any]:
        return MeanAngle(self.failure, self.choices.unit, 0.0)


class MeanAngle(Mean):
    """The mean angle of cosines. Angles under `identical_below` degrees are counted as identical pairs, left out."""

    def __init__(self, failure: Failure, unit: Literal["degrees", "radians"], identical_below: float) -> None:
        super().__init__(failure)
        self._unit, self._below = unit, identical_below

    def of(self, value: float) -> float:
        angle = math.degrees(math.acos(min(1.0, max(-1.0, value))))
        if angle < self._below:
            return math.inf
        return angle if self._unit == "degrees" else math.radians(angle)
