"""Where the camera stands and how the picture is cut: a lens at a distance, then a turn, shift and zoom that bring the
five points to the FFHQ template, as aligned data sets have them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bfrbench.faces.align import FFHQ_512, similarity
from bfrbench.studio.curves import Array
from bfrbench.studio.shoot import Setting

TEMPLATE = (FFHQ_512 + np.float32(0.5)) / np.float32(512)
"""FFHQ's mean five points, as shares of the picture's side."""
PIVOT = np.array([0.0, -0.9, -0.3])
"""The head turns about the top of the neck."""


@dataclass(frozen=True, slots=True)
class Camera:
    """Turns of head and shoulders, and the map from camera frame to shares of the picture."""

    head: Array
    shoulders: Array
    distance: float
    matrix: Array
    """2×3, from the lens plane (y down) to shares of the picture's side."""
    roll: float
    """Degrees, clockwise in the picture, of the head."""

    def pose(self, points: Array, follows: Array) -> Array:
        """Points of the head's frame in the camera's frame (x right, y up, z towards the camera)."""
        centred = points - PIVOT
        turned = centred @ self.head.T
        still = centred @ self.shoulders.T
        share = follows[..., None]
        result: Array = still + (turned - still) * share
        return result

    def lens(self) -> Array:
        """Where the lens is, in the head's frame."""
        result: Array = self.head.T @ np.array([0, 0, self.distance]) + PIVOT
        return result

    def project(self, posed: Array) -> Array:
        """Camera frame to shares of the picture's side, x right and y down."""
        scale = self.distance / (self.distance - posed[..., 2])
        flat = np.stack([posed[..., 0] * scale, -posed[..., 1] * scale], axis=-1)
        return flat @ self.matrix[:, :2].T + self.matrix[:, 2]

    def pixels(self, on_head: Array, size: int) -> Array:
        """Where points of the head lie in the picture; pixel centres are at integers."""
        posed = self.pose(on_head, np.ones(len(on_head)))
        return (self.project(posed) * size - 0.5).astype(np.float32)


def rotation(yaw: float, pitch: float) -> Array:
    """Pitch about the head's own ear-to-ear axis, then yaw about the upright one; degrees."""
    a, b = np.deg2rad(yaw), np.deg2rad(pitch)
    up = np.array([[1, 0, 0], [0, np.cos(b), np.sin(b)], [0, -np.sin(b), np.cos(b)]])
    turn = np.array([[np.cos(a), 0, np.sin(a)], [0, 1, 0], [-np.sin(a), 0, np.cos(a)]])
    result: Array = turn @ up
    return result


def aim(setting: Setting, five: Array) -> Camera:
    """The camera that brings these five points of the head to the template, up to the shot's small jitter."""
    head = rotation(setting.yaw, setting.pitch)
    shoulders = rotation(setting.yaw * 0.5, setting.pitch * 0.1)
    bare = Camera(head, shoulders, setting.distance, np.eye(2, 3), 0.0)
    seen = bare.project(bare.pose(five, np.ones(5)))
    matrix = similarity(seen.astype(np.float32), TEMPLATE)
    turn = np.deg2rad(setting.tilt)
    jitter = setting.zoom * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    centre = TEMPLATE.mean(0)
    unit = TEMPLATE[1, 0] - TEMPLATE[0, 0]
    linear = jitter @ matrix[:, :2]
    offset = jitter @ (matrix[:, 2] - centre) + centre + np.array(setting.shift) * unit
    roll = float(np.rad2deg(np.arctan2(linear[1, 0], linear[0, 0])))
    return Camera(head, shoulders, setting.distance, np.column_stack([linear, offset]), roll)
