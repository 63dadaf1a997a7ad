"""Detectors find real faces, agree with each other and with the libraries they come from."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

from bfrbench.errors import UnknownName, UsageError, WeightsError
from bfrbench.faces.detect import FaceDetector, detector_device, load_detector, main_face
from bfrbench.faces.networks import providers
from bfrbench.faces.retinaface import VARIANTS, RetinaFace, _anchors, _empty
from bfrbench.faces.scale import Scaled, fit
from bfrbench.faces.scrfd import Scrfd
from bfrbench.faces.vote import settle
from bfrbench.weights import WeightStore

Image = np.ndarray


def test_both_detectors_find_every_sharp_face_and_their_points_agree(
    retinaface: FaceDetector, yunet: FaceDetector, portraits: list[Image]
) -> None:
    ours, theirs = retinaface.batch(portraits), yunet.batch(portraits)
    assert np.mean([bool(faces) for faces in ours]) >= 0.95
    assert np.mean([bool(faces) for faces in theirs]) >= 0.95
    apart = [
        np.linalg.norm(a[0].points - b[0].points, axis=1) / np.linalg.norm(a[0].points[1] - a[0].points[0])
        for a, b in zip(ours, theirs, strict=True)
        if a and b
    ]
    assert np.median(apart) <= 0.05


def test_the_candidates_are_those_of_facexlib(retinaface: RetinaFace, portraits: list[Image]) -> None:
    image = fit(portraits[0], 256)
    boxes, scores, points = retinaface.candidates([image])[0]
    network = retinaface.network
    before = network.cfg["min_sizes"]
    network.cfg["min_sizes"] = [list(sides) for sides in retinaface.variant.anchors]
    try:
        theirs = network.detect_faces(np.ascontiguousarray(image.image[..., ::-1]), 0.8, nms_threshold=1.0)
    finally:
        network.cfg["min_sizes"] = before
    order = np.argsort(-scores)
    assert len(theirs) == len(scores) > 5
    np.testing.assert_allclose(np.sort(theirs[:, 4])[::-1], scores[order], atol=1e-5)
    best = theirs[theirs[:, 4].argmax()]
    np.testing.assert_allclose(best[:4], boxes[order[0]], atol=0.01)
    np.testing.assert_allclose(best[5:].reshape(5, 2), points[order[0]], atol=0.01)


@pytest.mark.parametrize("size", [(96, 128), (33, 65), (256, 250)])
def test_anchors_are_those_of_facexlib_at_every_size(size: tuple[int, int]) -> None:
    from facexlib.detection.retinaface import generate_config
    from facexlib.detection.retinaface_utils import PriorBox

    theirs = PriorBox(generate_config("resnet50"), image_size=size).forward()
    assert torch.allclose(_anchors(*size, VARIANTS["retinaface-r50"].anchors), theirs, atol=1e-6)


def test_a_batch_gives_what_its_images_give_one_by_one(retinaface: FaceDetector, photographs: list[Image]) -> None:
    images = [
        image[:400, :400] for image in (photographs[0], photographs[1], photographs[0][:200, :200], photographs[0])
    ]
    for together, apart in zip(retinaface.batch(images), map(retinaface, images), strict=True):
        assert len(together) == len(apart)
        for a, b in zip(together, apart, strict=True):
            np.testing.assert_allclose(a.points, b.points, atol=0.05)
            assert a.score == pytest.approx(b.score, abs=1e-4)


@pytest.mark.parametrize("name", ["retinaface", "yunet"])
def test_points_do_not_depend_on_how_large_the_photograph_is(
    name: str, request: pytest.FixtureRequest, portraits: list[Image]
) -> None:
    import cv2

    detector: FaceDetector = request.getfixturevalue(name)
    canvas = np.full((2600, 2100, 3), 128, np.uint8)
    canvas[700:1724, 500:1524] = cv2.resize(portraits[1], (1024, 1024), interpolation=cv2.INTER_CUBIC)
    small, large = detector(portraits[1])[0], detector(canvas)[0]
    expected = (small.points + 0.5) * 2 - 0.5 + np.array([500, 700], np.float32)
    eyes = np.linalg.norm(expected[1] - expected[0])
    assert np.linalg.norm(large.points - expected, axis=1).max() < 0.12 * eyes


def test_no_face_gives_none(retinaface: FaceDetector, yunet: FaceDetector) -> None:
    for image in (np.zeros((200, 300, 3), np.uint8), np.full((20, 20, 3), 255, np.uint8)):
        assert retinaface(image) == []
        assert yunet(image) == []


def test_candidates_that_agree_are_averaged_and_the_rest_suppressed() -> None:
    boxes = np.array([[0, 0, 100, 100], [2, 2, 102, 102], [0, 0, 100, 55], [300, 300, 320, 320]], float)
    points = np.stack([np.full((5, 2), v) for v in (50.0, 60.0, 0.0, 310.0)])
    faces = settle(boxes, np.array([0.9, 0.3, 0.8, 0.95]), points, suppress=0.4)
    assert [face.score for face in faces] == [0.95, 0.9]
    assert np.allclose(faces[1].points, 50 * 0.75 + 60 * 0.25)
    assert faces[1].box.left == pytest.approx(0.5)


def test_the_main_face_is_large_and_near_the_middle(retinaface: FaceDetector, portraits: list[Image]) -> None:
    canvas = np.full((512, 1400, 3), 100, np.uint8)
    canvas[:, 444:956] = portraits[0]
    canvas[:200, :200] = portraits[2][::3, ::3][:200, :200].repeat(2, 0).repeat(2, 1)[:200, :200]
    faces = retinaface(canvas)
    chosen = main_face(faces, (1400, 512))
    assert chosen is not None
    assert 444 < chosen.points[2, 0] < 956
    assert main_face([], (10, 10)) is None


def _scrfd_file(path: Path, keypoints: bool = True) -> Path:
    """A SCRFD file whose answer is constant: one face, at anchor 5 of the 80×80 cells of stride 8."""
    outputs, values = [], []
    for kind, width in (("score", 1), ("box", 4), ("kps", 10))[: 3 if keypoints else 2]:
        for stride in (8, 16, 32):
            array = np.zeros((2 * (640 // stride) ** 2, width), np.float32)
            if stride == 8:
                face = {"score": [0.9], "box": [2, 1, 3, 4], "kps": range(10)}[kind]
                array[2 * (80 * 10 + 20)] = face
            values.append(numpy_helper.from_array(array, f"{kind}{stride}"))
            outputs.append(helper.make_tensor_value_info(f"{kind}{stride}_out", TensorProto.FLOAT, array.shape))
    nodes = [helper.make_node("Identity", [v.name], [f"{v.name}_out"]) for v in values]
    image = helper.make_tensor_value_info("input.1", TensorProto.FLOAT, [1, 3, 640, 640])
    used = helper.make_node("ReduceSum", ["input.1"], ["unused"], keepdims=0)
    graph = helper.make_graph([used, *nodes], "scrfd", [image], outputs, values)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


def test_scrfd_reads_its_file_through_insightface(tmp_path: Path) -> None:
    detector = Scrfd("scrfd-10g", _scrfd_file(tmp_path / "det_10g.onnx"))
    (face,) = detector(np.zeros((320, 320, 3), np.uint8))  # fitted into 640, so lengths halve on the way back
    x, y = 20 * 8 / 2, 10 * 8 / 2
    assert (face.box.left, face.box.top) == (x - 2 * 8 / 2, y - 1 * 8 / 2)
    assert (face.box.right, face.box.bottom) == (x + 3 * 8 / 2, y + 4 * 8 / 2)
    assert np.allclose(face.points.ravel()[:4], [x, y + 4, x + 8, y + 12])
    assert face.score == pytest.approx(0.9)


def test_a_scrfd_file_without_points_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="no points"):
        Scrfd("scrfd-10g", _scrfd_file(tmp_path / "det_10g.onnx", keypoints=False))


def test_the_two_retinaface_networks_take_their_weights_strictly(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = _empty(VARIANTS["retinaface-r50"], "cpu").requires_grad_(False)
    torch.save({f"module.{k}": v for k, v in network.state_dict().items()}, tmp_path / "r50.pth")
    detector = RetinaFace("retinaface-r50", tmp_path / "r50.pth", threshold=0.5)
    noise = np.random.default_rng(0).integers(0, 256, (64, 96, 3), np.uint8)
    _, scores, _ = detector.candidates([fit(noise, 640)])[0]
    theirs = network.detect_faces(np.ascontiguousarray(noise[..., ::-1]), 0.5, nms_threshold=1.0)
    np.testing.assert_allclose(np.sort(scores), np.sort(theirs[:, 4]), atol=1e-3)
    with pytest.raises(WeightsError, match="is not a RetinaFace"):
        RetinaFace("retinaface-mobile0.25", tmp_path / "r50.pth")


def test_wrong_names_devices_and_files_are_sentences(store: WeightStore, tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match="did you mean yunet"):
        load_detector("yunett", store)
    with pytest.raises(UsageError, match="YuNet does not run on 'cuda'"):
        load_detector("yunet", store, "cuda")
    assert (detector_device("yunet", "cuda"), detector_device("retinaface-r50", "cuda:1")) == ("cpu", "cuda:1")
    with pytest.raises(UsageError, match="choose cpu or cuda"):
        providers("mps")
    (tmp_path / "a.onnx").write_bytes(b"no network")
    with pytest.raises(WeightsError, match="not an ONNX network"):
        Scrfd("scrfd-10g", tmp_path / "a.onnx")


def test_scaling_keeps_pixel_centres() -> None:
    scaled = fit(np.zeros((300, 600, 3), np.uint8), 200)
    assert scaled.image.shape == (100, 200, 3)
    assert np.allclose(scaled.back(np.array([[0.0, 0.0]], np.float32)), [[1, 1]])
    assert isinstance(fit(np.zeros((5, 5, 3), np.uint8), 5), Scaled)
