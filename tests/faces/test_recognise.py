"""Recognition engines tell people apart as well as their weights allow, in batches as one by one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from bfrbench.errors import InputError, UnknownName, WeightsError
from bfrbench.faces.detect import FaceDetector, main_face
from bfrbench.faces.recognise import InsightFace, IrSe50, Recogniser, load_recogniser
from bfrbench.imaging.read import decode_image
from bfrbench.weights import WeightStore
from tests.shared_data import shared

Image = np.ndarray


@pytest.fixture(scope="module")
def engine(store: WeightStore) -> Recogniser:
    return load_recogniser("mobilefacenet-arcface", store)


def _auc(same: np.ndarray, different: np.ndarray) -> float:
    return float((same[:, None] > different[None, :]).mean() + 0.5 * (same[:, None] == different[None, :]).mean())


def _pairs(count: int) -> tuple[pd.DataFrame, dict[str, Image], dict[str, np.ndarray]]:
    parts = [pd.read_parquet(path) for path in sorted(shared("lfw128").glob("*.parquet"))]
    table = pd.concat(parts).set_index("id")
    pairs = pd.read_csv(shared("lfw128", "pairs.csv")).sample(count, random_state=0)
    names = sorted({*pairs.a, *pairs.b})
    images = {name: decode_image(table.image[name]["bytes"], name) for name in names}
    points = {name: np.asarray(table.landmarks[name], np.float32).reshape(5, 2) for name in names}
    return pairs, images, points


def _scores(pairs: pd.DataFrame, unit: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    cosine = np.array([float(unit[a] @ unit[b]) for a, b in zip(pairs.a, pairs.b, strict=True)])
    same = pairs.same.to_numpy() == 1
    return cosine[same], cosine[~same]


@pytest.mark.parametrize("count", [300, pytest.param(5087, marks=pytest.mark.slow)])
def test_pairs_of_people_are_told_apart_with_given_and_with_detected_points(
    engine: Recogniser, yunet: FaceDetector, count: int
) -> None:
    pairs, images, points = _pairs(count)
    names = list(images)
    given = engine.embed([engine.crop(images[name], points[name]) for name in names])
    assert _auc(*_scores(pairs, dict(zip(names, given, strict=True)))) >= 0.999
    faces = [main_face(found, (128, 128)) for found in yunet.batch([images[name] for name in names])]
    assert all(faces)
    crops = [engine.crop(images[name], face.points) for name, face in zip(names, faces, strict=True) if face]
    assert _auc(*_scores(pairs, dict(zip(names, engine.embed(crops), strict=True)))) >= 0.995


def test_a_batch_embeds_as_its_crops_one_by_one(engine: Recogniser, lfw: list[tuple[Image, np.ndarray, float]]) -> None:
    crops = [engine.crop(image, points) for image, points, _ in lfw[:70]]
    together = engine.embed(crops)
    apart = np.concatenate([engine.embed([crop]) for crop in crops])
    np.testing.assert_allclose(together, apart, atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(together, axis=1), 1, atol=1e-6)


def test_the_embedding_is_insightfaces_own(
    engine: Recogniser, store: WeightStore, lfw: list[tuple[Image, np.ndarray, float]]
) -> None:
    from insightface.app.common import Face
    from insightface.model_zoo import get_model

    model = get_model(str(store.path("mobilefacenet-arcface")), providers=["CPUExecutionProvider"])
    for image, points, _ in lfw[:3]:
        raw = model.get(np.ascontiguousarray(image[..., ::-1]), Face(kps=points))
        ours = engine.embed([engine.crop(image, points)])[0]
        assert float(raw @ ours / np.linalg.norm(raw)) > 0.9999


def test_a_file_of_fixed_batch_is_run_one_by_one() -> None:
    engine = InsightFace("fixed", shared("weights", "mobilefacenet.onnx"))
    assert engine._batch == 1
    crops = list(np.random.default_rng(0).integers(0, 256, (3, 112, 112, 3), np.uint8))
    assert engine.embed(crops).shape == (3, 128)


def test_a_crop_that_a_library_would_silently_resize_is_refused(engine: Recogniser) -> None:
    with pytest.raises(InputError, match=r"\(128, 128, 3\)"):
        engine.embed([np.zeros((128, 128, 3), np.uint8)])
    assert engine.embed([]).shape[0] == 0


def test_facexlibs_network_runs_on_the_cpu_from_a_file(tmp_path: Path) -> None:
    from facexlib.recognition.arcface_arch import Backbone

    torch.manual_seed(0)
    network = Backbone(num_layers=50, drop_ratio=0.6, mode="ir_se").eval()
    torch.save(network.state_dict(), tmp_path / "ir_se50.pth")
    crops = list(np.random.default_rng(0).integers(0, 256, (2, 112, 112, 3), np.uint8))
    ours = IrSe50("arcface-ir-se50", tmp_path / "ir_se50.pth").embed(crops)
    pixels = torch.from_numpy(np.ascontiguousarray(np.stack(crops).transpose(0, 3, 1, 2))) / 127.5 - 1
    with torch.inference_mode():
        theirs = network(pixels).numpy()
    np.testing.assert_allclose(ours, theirs, atol=1e-5)


def test_another_networks_file_is_refused(store: WeightStore) -> None:
    with pytest.raises(WeightsError, match=r"is not an ONNX network|takes"):
        InsightFace("wrong", store.path("pose-3ddfa-mb05"))
    with pytest.raises(WeightsError, match="SCRFD"):
        InsightFace("wrong", store.path("yunet"))
    with pytest.raises(UnknownName, match="recognition engine"):
        load_recogniser("facenet", store)
