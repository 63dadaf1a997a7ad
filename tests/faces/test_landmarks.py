"""Dense landmarks and pose lie where independent detectors and labels say."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import spearmanr

from bfrbench.errors import UnknownName, WeightsError
from bfrbench.faces import align
from bfrbench.faces.detect import FaceDetector
from bfrbench.faces.landmarks import AWing, load_landmarker, peaks
from bfrbench.faces.pose import PoseNetwork, load_pose
from bfrbench.weights import WeightStore

Image = np.ndarray
Lfw = list[tuple[Image, np.ndarray, float]]


@pytest.fixture(scope="module")
def pose(store: WeightStore) -> PoseNetwork:
    return load_pose("pose-3ddfa-mb05", store)


@pytest.mark.parametrize("with_boxes", [True, False])
def test_pfld_agrees_with_the_detectors_points(
    store: WeightStore, yunet: FaceDetector, portraits: list[Image], with_boxes: bool
) -> None:
    faces = [found[0] for found in yunet.batch(portraits)]
    found = load_landmarker("pfld-68", store)(portraits, [face.box for face in faces] if with_boxes else None)
    apart = []
    for points, face in zip(found, faces, strict=True):
        assert points.shape == (68, 2)
        five = np.stack([points[36:42].mean(0), points[42:48].mean(0), points[30], points[48], points[54]])
        apart.append(np.linalg.norm(five - face.points, axis=1) / np.linalg.norm(face.points[1] - face.points[0]))
    assert np.median(apart) < 0.06


def test_heat_maps_are_read_as_facexlib_means_to_and_right_at_the_border() -> None:
    maps = np.zeros((1, 3, 64, 64), np.float32)
    maps[0, 0, 10, 20], maps[0, 0, 10, 21], maps[0, 0, 9, 20] = 1, 0.5, 0.2
    maps[0, 1, 0, 0] = 1
    maps[0, 2, 63, 63], maps[0, 2, 63, 62] = 1, 0.3
    assert np.allclose(peaks(maps)[0] * 64, [[20.75, 10.25], [0.5, 0.5], [63.5, 63.5]])


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_a_peak_is_within_its_pixel_and_leans_to_the_higher_neighbour(seed: int) -> None:
    rng = np.random.default_rng(seed)
    maps = rng.random((1, 4, 64, 64)).astype(np.float32)
    at = peaks(maps)[0] * 64 - 0.5
    for k in range(4):
        y, x = np.unravel_index(maps[0, k].argmax(), (64, 64))
        assert np.abs(at[k] - (x, y)).max() <= 0.25
        if 0 < x < 63:
            assert np.sign(at[k, 0] - x) == np.sign(maps[0, k, y, x + 1] - maps[0, k, y, x - 1])


@pytest.mark.slow
def test_awing_reads_the_published_layout_of_its_file(tmp_path: Path, portraits: list[Image]) -> None:
    from facexlib.alignment.awing_arch import FAN

    torch.manual_seed(0)
    network = FAN(num_modules=4, num_landmarks=98, device="cpu").eval()
    torch.save({"state_dict": network.state_dict()}, tmp_path / "awing.pth")
    engine = AWing("awing-wflw98", tmp_path / "awing.pth")
    (found,) = engine(portraits[:1])
    assert found.shape == (98, 2)
    small = cv2.resize(portraits[0], (256, 256), interpolation=cv2.INTER_LINEAR)
    with torch.inference_mode():
        maps = network(torch.from_numpy(small.transpose(2, 0, 1)).float().div(255)[None])[0][-1][:, :-1].numpy()
    assert np.median(np.abs(found - (peaks(maps)[0] * 512 - 0.5))) < 4


def test_pose_follows_the_noses_offset_in_sign_and_rank(pose: PoseNetwork, lfw: Lfw) -> None:
    yaw = np.array([p.yaw for p in pose([i for i, _, _ in lfw], [p for _, p, _ in lfw])])
    offset = np.array([o for _, _, o in lfw])
    assert spearmanr(yaw, offset).statistic > 0.9
    turned = np.abs(offset) > 0.15
    assert turned.sum() > 15
    assert (np.sign(yaw[turned]) == np.sign(offset[turned])).mean() > 0.97


def test_pitch_rises_when_the_nose_does(pose: PoseNetwork, lfw: Lfw) -> None:
    pitch = [p.pitch for p in pose([i for i, _, _ in lfw], [p for _, p, _ in lfw])]
    height = [(p[:2, 1].mean() - p[2, 1]) / (p[3:, 1].mean() - p[:2, 1].mean()) for _, p, _ in lfw]
    assert spearmanr(pitch, height).statistic > 0.4


@pytest.mark.parametrize("clockwise", [-25, 25])
def test_roll_is_positive_when_the_head_tilts_clockwise(pose: PoseNetwork, lfw: Lfw, clockwise: float) -> None:
    turn = np.asarray(cv2.getRotationMatrix2D((63.5, 63.5), -clockwise, 1))  # OpenCV counts the other way
    images = [align.warp(image, turn, (128, 128), border="mirror") for image, _, _ in lfw[:40]]
    turned = pose(images, [align.apply(turn, points) for _, points, _ in lfw[:40]])
    upright = pose([i for i, _, _ in lfw[:40]], [p for _, p, _ in lfw[:40]])
    assert np.median([a.roll - b.roll for a, b in zip(turned, upright, strict=True)]) == pytest.approx(clockwise, abs=3)


def test_a_mirrored_face_looks_the_other_way(pose: PoseNetwork, lfw: Lfw) -> None:
    order = [1, 0, 2, 4, 3]
    mirrored = pose(
        [np.ascontiguousarray(image[:, ::-1]) for image, _, _ in lfw[:40]],
        [np.stack([127 - points[order, 0], points[order, 1]], axis=1) for _, points, _ in lfw[:40]],
    )
    plain = pose([i for i, _, _ in lfw[:40]], [p for _, p, _ in lfw[:40]])
    assert np.median([abs(a.yaw + b.yaw) for a, b in zip(plain, mirrored, strict=True)]) < 3


def test_wrong_names_and_files_are_sentences(store: WeightStore) -> None:
    with pytest.raises(UnknownName, match="landmark engine"):
        load_landmarker("dlib-68", store)
    with pytest.raises(UnknownName, match="pose network"):
        load_pose("hopenet", store)
    with pytest.raises(WeightsError, match=r"is not a MobileNet|is not a plain table|has no part"):
        PoseNetwork("wrong", store.path("retinaface-mobile0.25"))
