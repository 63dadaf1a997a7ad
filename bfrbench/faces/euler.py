"""Head rotations and the three angles of `contracts.Pose`: one order of turns for every label and every network.

A rotation takes the head's axes (x to the image's right, y up, z out of the face, when it looks into the camera) to
the camera's. The head is turned by pitch about its own ear-to-ear axis, then by yaw about the upright axis, then by
roll in the picture.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from bfrbench.contracts import Pose

if TYPE_CHECKING:
    import numpy.typing as npt

    Rotation = npt.NDArray[np.float64]


def pose_of(rotation: Rotation) -> Pose:
    """The angles of a 3×3 rotation; yaw lies within ±90°, where the other two stop being separate."""
    yaw = math.asin(min(max(-float(rotation[2, 0]), -1.0), 1.0))
    pitch = math.atan2(-rotation[2, 1], rotation[2, 2])
    roll = math.atan2(-rotation[1, 0], rotation[0, 0])
    return Pose(math.degrees(yaw), math.degrees(pitch), math.degrees(roll))


def rotation_of(pose: Pose) -> Rotation:
    """The rotation with these angles."""
    return _about_z(math.radians(pose.roll)) @ _about_y(math.radians(pose.yaw)) @ _about_x(math.radians(pose.pitch))


def pose_of_3ddfa(pitch: float, yaw: float, roll: float) -> Pose:
    """The angles of 300W-LP's and AFLW2000-3D's `Pose_Para`, in radians.

    3DDFA turns about z first, y next and x last, and counts a turn to the left of the image as positive yaw.
    """
    return pose_of(_about_x(pitch) @ _about_y(-yaw) @ _about_z(roll))


def _about_x(angle: float) -> Rotation:
    cos, sin = math.cos(angle), math.sin(angle)
    return np.array([[1.0, 0.0, 0.0], [0.0, cos, sin], [0.0, -sin, cos]])


def _about_y(angle: float) -> Rotation:
    cos, sin = math.cos(angle), math.sin(angle)
    return np.array([[cos, 0.0, sin], [0.0, 1.0, 0.0], [-sin, 0.0, cos]])


def _about_z(angle: float) -> Rotation:
    cos, sin = math.cos(angle), math.sin(angle)
    return np.array([[cos, sin, 0.0], [-sin, cos, 0.0], [0.0, 0.0, 1.0]])
