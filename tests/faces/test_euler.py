"""Angles and rotations: studio's labels, 3DDFA's angles and SciPy's agree."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from bfrbench.contracts import Pose
from bfrbench.faces.euler import pose_of, pose_of_3ddfa, rotation_of

ANGLES = st.floats(-80, 80)


@given(ANGLES, ANGLES, st.floats(-179, 179))
def test_angles_go_to_a_rotation_and_back(yaw: float, pitch: float, roll: float) -> None:
    found = pose_of(rotation_of(Pose(yaw, pitch, roll)))
    assert (found.yaw, found.pitch, found.roll) == pytest.approx((yaw, pitch, roll), abs=1e-6)


@given(ANGLES, ANGLES, ANGLES)
def test_rotations_are_scipys_turns_about_fixed_axes(yaw: float, pitch: float, roll: float) -> None:
    """SciPy counts counter-clockwise with y up: pitch and roll change sign, and xyz is x first, z last."""
    theirs = Rotation.from_euler("xyz", [-pitch, yaw, -roll], degrees=True).as_matrix()
    assert np.allclose(rotation_of(Pose(yaw, pitch, roll)), theirs, atol=1e-12)


@pytest.mark.parametrize(("yaw", "pitch"), [(0, 0), (60, 40), (-75, 30), (20, -40)])
def test_a_rotation_is_studios(yaw: float, pitch: float) -> None:
    from bfrbench.studio.camera import rotation

    assert np.allclose(rotation_of(Pose(yaw, pitch, 0)), rotation(yaw, pitch), atol=1e-12)


def test_one_angle_alone_is_the_same_for_3ddfa_but_for_the_side_of_yaw() -> None:
    assert pose_of_3ddfa(0.5, 0, 0).pitch == pytest.approx(np.degrees(0.5))
    assert pose_of_3ddfa(0, 0.5, 0).yaw == pytest.approx(-np.degrees(0.5))
    assert pose_of_3ddfa(0, 0, 0.5).roll == pytest.approx(np.degrees(0.5))


@given(st.floats(-1.2, 1.2), st.floats(-1.2, 1.2), st.floats(-1.2, 1.2))
def test_3ddfas_angles_are_about_the_heads_turned_axes(pitch: float, yaw: float, roll: float) -> None:
    theirs = Rotation.from_euler("XYZ", [-pitch, -yaw, -roll]).as_matrix()
    assert np.allclose(rotation_of(pose_of_3ddfa(pitch, yaw, roll)), theirs, atol=1e-9)
