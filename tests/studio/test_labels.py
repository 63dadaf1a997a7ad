"""Labels agree with the pixels, with each other, and with how faces are labelled elsewhere."""

from __future__ import annotations

from itertools import islice

import numpy as np
import pytest

from bfrbench.studio import CLASSES, Shot, render
from bfrbench.studio.person import person
from bfrbench.studio.shoot import setting


@pytest.fixture(scope="module")
def frontal() -> list[Shot]:
    """People without glasses or eyes shut, from the front."""
    fit = (i for i in range(40) if _expression(i, 0) != "blink" and person(0, i).glasses is None)
    return [render(i, 0, size=128, yaw=0, pitch=0) for i in islice(fit, 8)]


def _class(shot: Shot, point: np.ndarray) -> str:
    x, y = np.rint(point).astype(int)
    return CLASSES[shot.parsing[y, x]]


def test_five_points_lie_on_what_they_name(frontal: list[Shot]) -> None:
    for shot in frontal:
        assert _class(shot, shot.points[0]) == _class(shot, shot.points[1]) == "eye"
        assert _class(shot, shot.points[2]) == "nose"
        for corner in shot.points[3:]:
            x, y = np.rint(corner).astype(int)
            near = shot.parsing[y - 3 : y + 4, x - 3 : x + 4]
            assert np.isin(near, [CLASSES.index(c) for c in ("upper lip", "mouth", "lower lip")]).any()


def test_the_parsing_map_lies_inside_the_landmarks(frontal: list[Shot]) -> None:
    for shot in frontal:
        for start in (36, 42):
            ring = shot.landmarks[start : start + 6]
            low, high = ring.min(0) - 2, ring.max(0) + 2
            y, x = np.nonzero(shot.parsing == CLASSES.index("eye"))
            inside = (x > low[0]) & (x < high[0]) & (y > low[1]) & (y < high[1])
            area = _area(ring)
            assert 0.6 * area < inside.sum() < 1.6 * area


def _area(ring: np.ndarray) -> float:
    x, y = ring.T
    return 0.5 * abs(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1)))


def test_68_points_agree_with_the_five(frontal: list[Shot]) -> None:
    for shot in frontal:
        marks, eyes = shot.landmarks, np.linalg.norm(shot.points[1] - shot.points[0])
        found = np.stack([marks[36:42].mean(0), marks[42:48].mean(0), marks[30], marks[48], marks[54]])
        assert (np.linalg.norm(found - shot.points, axis=1) < 0.06 * eyes).all()


def test_68_points_are_in_the_usual_order(frontal: list[Shot]) -> None:
    marks = np.mean([shot.landmarks for shot in frontal], axis=0)
    x, y = marks.T
    assert (np.diff(x[:17]) > -0.5).all() and y[8] == y[:17].max()
    assert (np.diff(x[17:27]) > 0).all()
    assert (np.diff(y[27:31]) > 0).all() and (np.diff(x[31:36]) > 0).all()
    assert x[36] < x[39] < x[42] < x[45] and y[37] < y[41] and y[43] < y[47]
    assert x[48] == x[48:68].min() and x[54] == x[48:68].max() and y[51] < y[62] <= y[66] < y[57]


def test_closed_eyes_leave_no_eye_in_the_parsing_map() -> None:
    eye = CLASSES.index("eye")

    def seen(expression: str) -> list[int]:
        found = ((i, s) for i in range(40) for s in range(4) if _expression(i, s) == expression)
        return [int((render(i, s, size=128, yaw=0).parsing == eye).sum()) for i, s in islice(found, 4)]

    assert max(seen("blink")) < np.median(seen("neutral"))


def _expression(identity: int, shot: int) -> str:
    return setting(0, identity, shot, yaw=None, pitch=None).expression.name


def test_every_class_comes() -> None:
    seen: set[int] = set()
    for identity in range(14):
        seen |= set(np.unique(render(identity, identity % 5, size=64).parsing).tolist())
    assert seen == set(range(len(CLASSES)))


def test_facts_are_plain_data() -> None:
    import json

    facts = json.loads(json.dumps(render(0, 0, size=64).facts()))
    assert np.array(facts["points"]).shape == (5, 2) and np.array(facts["landmarks"]).shape == (68, 2)
    assert {"yaw", "pitch", "roll", "expression", "light"} <= set(facts)
