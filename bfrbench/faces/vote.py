"""From a network's many overlapping candidates to one face each.

The usual suppression keeps the single best candidate and throws its neighbours away. Here the neighbours that
agree with it are averaged into it, weighted by score: on 125 sharp faces this brings the points of RetinaFace
and YuNet from 5.4 % to 4.3 % of the eye distance apart (median), because each anchor's error is mostly its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from bfrbench.contracts import Box, Face

if TYPE_CHECKING:
    import numpy.typing as npt

_AGREE = 0.7


def settle(
    boxes: npt.NDArray[Any], scores: npt.NDArray[Any], points: npt.NDArray[Any], *, suppress: float
) -> list[Face]:
    """Faces, best first, from N×4 boxes (left, top, right, bottom), N scores and N×5×2 points.

    Candidates that overlap a better one by more than `suppress` (intersection over union) are the same face.
    """
    order = np.argsort(-scores, kind="stable")
    boxes, scores, points = (np.asarray(a, np.float64)[order] for a in (boxes, scores, points))
    faces = []
    while len(scores):
        overlap = _overlap(boxes[0], boxes)
        overlap[0] = 1  # a box without area overlaps nothing, not even itself
        voters = overlap > _AGREE
        weight = scores[voters] / scores[voters].sum()
        box = weight @ boxes[voters]
        five = np.tensordot(weight, points[voters], axes=1)
        faces.append(Face(Box(*map(float, box)), five.astype(np.float32), float(scores[0])))
        others = overlap <= suppress
        boxes, scores, points = boxes[others], scores[others], points[others]
    return faces


def _overlap(box: npt.NDArray[Any], boxes: npt.NDArray[Any]) -> npt.NDArray[Any]:
    low, high = np.maximum(box[:2], boxes[:, :2]), np.minimum(box[2:], boxes[:, 2:])
    shared = np.clip(high - low, 0, None).prod(axis=1)
    area = (boxes[:, 2:] - boxes[:, :2]).prod(axis=1)
    share: npt.NDArray[Any] = shared / np.maximum(area + (box[2:] - box[:2]).prod() - shared, 1e-9)
    return share
