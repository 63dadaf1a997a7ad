"""What the lite network learns of each face: whose it is, what else that person looks like, five points, the pose."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

import numpy as np

from bfrbench.embedded.network import SIDE
from bfrbench.errors import BfrbenchError
from bfrbench.training.feeding import mirrored as mirror
from bfrbench.training.feeding import sample_at

if TYPE_CHECKING:
    import numpy.typing as npt

    from bfrbench.contracts import Sample
    from bfrbench.data import Samples
    from bfrbench.training.sampler import Place

    Labels = dict[str, npt.NDArray[np.generic]]


class FaceLabels:
    """`person` (a number from 0 in the order of the data sets, -1 unknown), `points` (5×2 pixels, NaN unknown) and
    `pose` (yaw and pitch in degrees, NaN unknown); `other`, `other-points` and `other-pose` are of another picture of
    that person, or of the same one where there is no other."""

    def __init__(self, sets: Sequence[Samples]) -> None:
        self.sets = sets
        numbers: dict[str, int] = {}
        self.people = [
            np.array([-1 if name is None else numbers.setdefault(name, len(numbers)) for name in who], np.int64)
            for who in map(_people, sets)
        ]
        self.pictures = [_positions(who) for who in self.people]

    def __call__(self, sample: Sample, place: Place, *, mirrored: bool) -> Mapping[str, npt.NDArray[np.generic]]:
        person = self.people[place.source][place.position]
        other = self._another(sample, int(person), place)
        seen_there = {f"other-{name}": value for name, value in _labels(other).items()}
        return {"person": person, **_labels(sample), "other": other.image, **seen_there}

    def _another(self, sample: Sample, person: int, place: Place) -> Sample:
        """The same in every process, another one every epoch. One that cannot be read is passed over here: it is
        named when its own turn comes."""
        random = np.random.default_rng((place.source, place.position, place.epoch))
        rest = [at for at in self.pictures[place.source].get(person, ()) if at != place.position]
        if rest:
            chosen = int(random.choice(rest))
            with suppress(BfrbenchError):
                sample = sample_at(self.sets[place.source][chosen], SIDE, self.sets[place.source].ref)
        return mirror(sample) if random.random() < 0.5 else sample


def _labels(sample: Sample) -> Labels:
    points, pose = sample.points, sample.pose
    return {
        "points": np.full((5, 2), np.nan, np.float32) if points is None else points.astype(np.float32),
        "pose": np.array([np.nan, np.nan] if pose is None else [pose.yaw, pose.pitch], np.float32),
    }


def _people(samples: Samples) -> list[str | None]:
    """Who is on each image, in order; without decoding images where the set can tell."""
    person = getattr(samples, "person", None)
    if person is None:
        return [sample.identity for sample in samples]
    return [person(position) for position in range(len(samples))]


def _positions(people: npt.NDArray[np.int64]) -> dict[int, list[int]]:
    """Where each known person is."""
    found: dict[int, list[int]] = {}
    for position, person in enumerate(people.tolist()):
        if person >= 0:
            found.setdefault(person, []).append(position)
    return found
