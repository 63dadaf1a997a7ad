"""What is known of a shot: names and numbers of its labels, and the five and 68 landmarks."""

from __future__ import annotations

import numpy as np

from bfrbench.studio.curves import Array
from bfrbench.studio.face import Face
from bfrbench.studio.head import jaw_line, lift, surface


def five(face: Face) -> Array:
    """Middles of the eyes, nose tip, mouth corners, on the head (5×3): left of the image first."""
    eye = _eye_middle(face)
    x = np.array([-face.eye_x, face.eye_x, face.person.nose.crooked, -face.mouth_half, face.mouth_half])
    y = np.array([eye, eye, _nose_tip(face), face.corner_y, face.corner_y])
    return lift(face, x, y)


def _eye_middle(face: Face) -> float:
    upper, lower = face.lid_heights(np.zeros(1))
    return float(upper[0] + lower[0]) / 2


def _nose_tip(face: Face) -> float:
    """The height at which the nose stands out most."""
    nose = face.person.nose
    heights = nose.tip + np.linspace(-0.06, 0.1, 33)
    return float(heights[np.argmax(lift(face, np.full(33, nose.crooked), heights)[:, 2])])


def sixty_eight(face: Face) -> Array:
    """The 68 points in the usual order, on the head (68×3). Jaw points lie on the jaw, not on the outline seen."""
    jaw = _jaw(face)
    flat = [_brow(face), _nose(face), _eyes(face), _mouth(face)]
    return np.concatenate([jaw, *(lift(face, part[:, 0], part[:, 1]) for part in flat)])


def _jaw(face: Face) -> Array:
    """From beside the eye down to the angle of the jaw, along its edge to the chin, evenly, and up the other side."""
    down, along = np.linspace(0.03, face.person.skull.jaw_angle + 0.12, 12), np.linspace(1.5, 0.0, 40)
    turn = np.concatenate([np.full(11, 1.5), along])
    edge = jaw_line(face, along) + 0.09
    height = np.concatenate([down[:-1], edge])
    points, _ = surface(face, turn, height)
    walked = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(points, axis=0), axis=1))])
    stops = np.linspace(0, walked[-1], 9)
    half = np.stack([np.interp(stops, walked, points[:, axis]) for axis in range(3)], -1)
    lean = 2 * half[-1, 0]
    mirrored = half[:-1] * (-1, 1, 1) + (lean, 0, 0) * np.linspace(0, 1, 8)[:, None]
    return np.concatenate([mirrored, half[::-1]])


def _brow(face: Face) -> Array:
    u = np.linspace(0, 1, 5)
    x, y = face.brow_line(u)
    y = y + 0.5 * face.person.brows.thick * (1 - 0.62 * u**1.6)
    right = np.stack([x, y], -1)
    return np.concatenate([right[::-1] * (-1, 1), right])


def _nose(face: Face) -> Array:
    nose = face.person.nose
    ridge = np.linspace(0.02, _nose_tip(face), 4)
    bridge = np.stack([nose.crooked * np.linspace(0, 1, 4), ridge], -1)
    x = np.array([-0.78, -0.4, 0, 0.4, 0.78]) * nose.wide + nose.crooked
    drop = np.array([0.12, 0.165, 0.19, 0.165, 0.12]) - nose.upturn
    return np.concatenate([bridge, np.stack([x, nose.tip - drop], -1)])


def _eyes(face: Face) -> Array:
    """Each from the corner at the left of the image, over the top, back along the bottom."""
    eyes = face.person.eyes
    u = np.array([-1, -0.34, 0.34, 1, 0.34, -0.34])
    upper, lower = face.lid_heights(u)
    above = np.array([0, upper[1], upper[2], 0, lower[4], lower[5]])
    right = np.stack([face.eye_x + u * eyes.wide, above + eyes.tilt * eyes.wide * u], -1)
    left = right[[3, 2, 1, 0, 5, 4]] * (-1, 1)
    return np.concatenate([left, right])


def _mouth(face: Face) -> Array:
    u = np.array([-1, -0.62, -0.2, 0, 0.2, 0.62, 1])
    top, _upper, _lower, bottom = face.mouth_lines(u)
    x = u * face.mouth_half
    inner = [-0.85, -0.35, 0, 0.35, 0.85]
    _, inner_up, inner_low, _ = face.mouth_lines(np.array(inner))
    inner_x = np.array(inner) * face.mouth_half
    points = [
        np.stack([x, top], -1),
        np.stack([x, bottom], -1)[5:0:-1],
        np.stack([inner_x, inner_up], -1),
        np.stack([inner_x, inner_low], -1)[3:0:-1],
    ]
    return np.concatenate(points)
