"""Pose labels for any set: yaw, pitch and roll from a network, given where the face is.

Five points alone only hint at the pose (they fail on profiles): the hint is a column of its own and is never
called yaw.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bfrbench import progress
from bfrbench.data import labels
from bfrbench.data.imageset import Samples
from bfrbench.errors import InputError, TooLittleMeasured

if TYPE_CHECKING:
    from bfrbench.contracts import Points, Pose, Sample, U8Image
    from bfrbench.faces.detect import FaceDetector

_WINDOW = 64


@dataclass(frozen=True, slots=True)
class Labelled:
    """How many images have a pose now, and which have none."""

    path: Path
    images: int
    not_found: tuple[str, ...]
    unreadable: tuple[tuple[str, str], ...]


def label_pose(
    data: Samples,
    pose: Callable[[Sequence[U8Image], Sequence[Points]], Sequence[Pose]],
    detector: Callable[[], FaceDetector] | None,
    *,
    named: str,
) -> Labelled:
    """Label every image and write the columns where `open_dataset` of the same reference finds them.

    Points come from the set where it has them, else from a detector, opened when it is first needed; an image without
    a face keeps no label.
    """
    import pandas as pd

    finder = cache(detector) if detector is not None else None
    rows: list[dict[str, Any]] = []
    bad: list[tuple[str, str]] = []
    absent: list[str] = []
    with progress.Progress("labelling", total=len(data)) as shown:
        for window in _windows(_readable(data, bad)):
            placed = [(sample, _points(sample, finder)) for sample in window]
            found = [(sample, points, by) for sample, (points, by) in placed if points is not None]
            absent += [sample.id for sample, (points, _) in placed if points is None]
            angles = pose([sample.image for sample, _, _ in found], [points for _, points, _ in found]) if found else []
            rows += [_row(s.id, p, points, by, named) for (s, points, by), p in zip(found, angles, strict=True)]
            shown.advance(len(window))
    if not rows:
        raise TooLittleMeasured(f"no face of {data.ref} was found", "look at the images, or try another detector")
    path = labels.home_file(data.ref)
    labels.write(path, pd.DataFrame(rows))
    return Labelled(path, len(rows), tuple(absent), tuple(bad))


def nose_offset(points: Points) -> float:
    """How far the nose lies sideways of the eyes' middle, in eye distances: a hint of yaw, nothing more."""
    import numpy as np

    across = points[1] - points[0]
    length = float(np.linalg.norm(across))
    return float((points[2] - points[:2].mean(0)) @ across / length**2) if length > 0 else 0.0


def _points(sample: Sample, finder: Callable[[], FaceDetector] | None) -> tuple[Points | None, str]:
    if sample.points is not None:
        return sample.points, "set"
    if finder is None:
        raise InputError(f"{sample.id!r} has no points and no detector was given", "name one: --detector yunet")
    from bfrbench.faces.detect import main_face

    height, width = sample.image.shape[:2]
    detector = finder()
    face = main_face(detector(sample.image), (width, height))
    return (face.points if face else None), detector.name


def _row(name: str, pose: Pose, points: Points, by: str, network: str) -> dict[str, Any]:
    return {
        "id": name,
        "yaw": pose.yaw,
        "pitch": pose.pitch,
        "roll": pose.roll,
        "points_used": points.ravel().tolist(),  # not the set's: metrics that take given points must not take these
        "nose_offset_hint": nose_offset(points),
        "pose_by": network,
        "points_by": by,
    }


def _readable(data: Samples, bad: list[tuple[str, str]]) -> Iterator[Sample]:
    for name in data.ids:
        try:
            yield data[name]
        except InputError as error:
            bad.append((name, error.problem))


def _windows(samples: Iterator[Sample]) -> Iterator[list[Sample]]:
    while window := list(islice(samples, _WINDOW)):
        yield window
