"""Programs that know only real faces look at studio faces: the bounds of docs/studio.md, on people kept for this."""

from __future__ import annotations

import numpy as np
import pytest

from tests.shared_data import shared

HELD_OUT = 778


@pytest.mark.parametrize("pictures", [24, pytest.param(500, marks=pytest.mark.slow)])
def test_judges_of_real_faces_take_studio_faces_for_faces(pictures: int) -> None:
    shared("weights", "yunet_n_640.onnx")
    shared("weights", "mobilefacenet_arcface.onnx")
    from benchmarks.studio import judge

    verdict = judge(pictures, HELD_OUT)
    slack = 0.0 if pictures == 500 else 0.08  # two dozen pictures cannot tell 0.90 from 0.83
    assert verdict.lbp.mean() >= 0.90 - slack
    assert verdict.yunet.mean() >= 0.97 - slack
    assert np.median(verdict.away) <= 0.08 + slack / 4
    assert verdict.auc >= 0.95 - slack


def test_the_judges_can_say_no() -> None:
    """The same detector finds nothing in noise, and a face where there is one."""
    shared("weights", "yunet_n_640.onnx")
    import cv2

    from bfrbench.studio import render

    yunet = cv2.FaceDetectorYN.create(str(shared("weights", "yunet_n_640.onnx")), "", (256, 256), 0.6)
    noise = np.random.default_rng(0).integers(0, 256, (256, 256, 3), np.uint8)
    assert yunet.detect(noise)[1] is None
    assert yunet.detect(np.ascontiguousarray(render(0, 0, yaw=0).image[..., ::-1]))[1] is not None
