"""What the lite network learns of each face: whose it is, where its five points are, how it is turned."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    from bfrbench.contracts import Sample
    from bfrbench.data import Samples
    from bfrbench.training.order import Place


class FaceLabels:
    """`person` (a number from 0 in the order of the data sets, -1 unknown), `points` (5×2 pixels, NaN unknown),
    `pose` (yaw and pitch in degrees, NaN unknown)."""

    def __init__(self, sets: Sequence[Samples]) -> None:
        numbers: dict[str, int] = {}
        self.people = [
            np.array([-1 if name is None else numbers.setdefault(name, len(numbers)) for name in who], np.int64)
            for who in map(_people, sets)
        ]

    def __call__(self, sample: Sample, place: Place, *, mirrored: bool) -> Mapping[str, npt.NDArray[np.generic]]:
        points, pose = sample.points, sample.pose
        return {
            "person": self.people[place.source][place.position],
            "points": np.full((5, 2), np.nan, np.float32) if points is None else points.astype(np.float32),
            "pose": np.array([np.nan, np.nan] if pose is None else [pose.yaw, pose.pitch], np.float32),
        }


def _people(samples: Samples) -> list[str | None]:
    """Who is on each image, in order; without decoding images where the set can tell."""
    person = getattr(samples, "person", None)
    if person is None:
        return [sample.identity for sample in samples]
    return [person(position) for position in range(len(samples))]
