from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from insightface.model_zoo import get_model
from insightface.utils.face_align import norm_crop
from scipy.stats import rankdata

from bfrbench.contracts import Row, Scored
from bfrbench.metrics import Context, Scorer, finalise, load_protocol
from bfrbench.metrics.catalogue import KINDS
from bfrbench.metrics.detection import Detection, DetectionChoices
from bfrbench.metrics.grey_identity import GreyPairs, build_network
from bfrbench.metrics.identity import FacePairs, IdentityChoices, MeanAngle
from bfrbench.metrics.verification import threshold
from bfrbench.weights import WeightStore
from tests.metrics import lfw
from tests.metrics.real_pairs import faces, hwc, scored, spoilt
from tests.shared_data import shared
from tests.shared_weights import shared_store
from tests.weights.seeded import numbers, seeded_store

ENGINE = "mobilefacenet-arcface"


@pytest.fixture(scope="module")
def store(tmp_path_factory) -> WeightStore:
    return shared_store(ENGINE, "yunet", home=tmp_path_factory.mktemp("faces"))


def measure(store, **choices) -> FacePairs:
    fixed = {"engine": ENGINE, "align": "gt", "points": "given", "detector": "yunet"} | choices
    return FacePairs(IdentityChoices(**fixed), store, "cpu")


def test_identity_agrees_with_insightface_called_directly(store):
    names = list(lfw.pairs(6)["a"])
    gt = torch.stack([lfw.picture(name) for name in names])
    restored = spoilt(gt, factor=2)
    known = tuple(lfw.points(name) for name in names)
    rows = measure(store).rows(Scored(tuple(names), None, restored, gt=gt, points=known))
    library = get_model(str(shared("weights", "mobilefacenet_arcface.onnx")), providers=["CPUExecutionProvider"])
    for row, ours, truth, five in zip(rows, restored, gt, known, strict=True):
        a, b = (library.get_feat(norm_crop(hwc(side)[..., ::-1].copy(), five, 112)).ravel() for side in (ours, truth))
        assert row.value == pytest.approx(float(a @ b / np.linalg.norm(a) / np.linalg.norm(b)), abs=1e-4)
        assert row.feature.shape == (2, len(a))


def test_the_defaults_arcface_goes_through_the_metric_as_through_insightface(tmp_path):
    engine = "arcface-w600k-r50"
    store = seeded_store(tmp_path, engine)
    names = list(lfw.pairs(6)["a"])
    gt = torch.stack([lfw.picture(name) for name in names])
    restored = spoilt(gt, factor=4)
    known = tuple(lfw.points(name) for name in names)
    scorer = Scorer(load_protocol("bfrbench-v1").only(["ids", "deg"]), store=store)
    found = scorer.rows(Scored(tuple(names), None, restored, gt=gt, points=known))
    ids, deg = scorer.metrics
    rows = found[ids.rows]
    assert list(found) == [ids.rows] == [deg.rows] and set(scorer.weights) == {engine}
    library = get_model(str(store.path(engine)), providers=["CPUExecutionProvider"])
    expected, swapped = [], []
    for row, ours, truth, five in zip(rows, restored, gt, known, strict=True):
        crops = [norm_crop(hwc(side)[..., ::-1].copy(), five, 112) for side in (ours, truth)]
        a, b = unit = [library.get_feat(crop).ravel() for crop in crops]
        expected.append(float(a @ b / np.linalg.norm(a) / np.linalg.norm(b)))
        swapped.append(library.get_feat(crops[1][..., ::-1].copy()).ravel())
        assert row.feature.shape == (2, 512)
        for embedded, theirs in zip(row.feature, unit, strict=True):
            np.testing.assert_allclose(embedded, theirs / np.linalg.norm(theirs), atol=1e-4)
        wrong = swapped[-1] / np.linalg.norm(swapped[-1])
        assert np.abs(row.feature[1] - wrong).max() > 1e-3  # the comparison sees what it should
    np.testing.assert_allclose([row.value for row in rows], expected, atol=1e-5)
    assert np.ptp(expected) > 1e-3
    assert finalise(ids, rows).value == pytest.approx(np.mean(expected), abs=1e-5)
    assert finalise(deg, rows).value == pytest.approx(np.degrees(np.arccos(expected)).mean(), abs=1e-2)


def auc(same: np.ndarray, cosines: np.ndarray) -> float:
    ranks = rankdata(cosines)
    positive = int(same.sum())
    return float((ranks[same].sum() - positive * (positive + 1) / 2) / (positive * (len(same) - positive)))


@pytest.mark.parametrize("count", [120, pytest.param(None, marks=pytest.mark.slow)])
def test_the_metric_tells_people_of_lfw_apart(store, count):
    found = lfw.pairs(count)
    with_own_points, cosines = measure(store, align="own", points="detected"), []
    for start in range(0, len(found), 40):
        part = found.iloc[start : start + 40]
        a, b = (torch.stack([lfw.picture(name) for name in part[side]]) for side in ("a", "b"))
        cosines += [row.value for row in with_own_points.rows(scored(a, b))]
    sound = np.array([value is not None for value in cosines])
    values = np.array([value for value in cosines if value is not None])
    assert sound.mean() > 0.99
    assert auc(found["same"].to_numpy()[sound] == 1, values) >= 0.995


def test_a_face_that_nobody_finds_is_counted_and_never_dropped(store):
    gt = torch.cat([faces(1, 256), torch.full((1, 3, 256, 256), 0.5)])
    rows = measure(store).rows(scored(gt, gt))
    assert [row.status for row in rows] == ["ok", "no_face"]
    value = finalise(load_protocol("bfrbench-v1").metric("ids"), rows)
    assert value.failed == {"no_face": 1} and value.n == 2 and value.value == pytest.approx(0.5, abs=1e-6)
    angle = finalise(load_protocol("bfrbench-v1").metric("deg"), rows)
    assert angle.value == pytest.approx(45, abs=0.1)


def test_a_lost_face_is_found_again_by_the_truths_points_but_not_by_its_own(store):
    gt = faces(1, 256)
    lost = torch.full_like(gt, 0.5)
    assert measure(store).rows(scored(lost, gt))[0].status == "ok"
    both = measure(store, align="own").rows(scored(torch.cat([lost, gt]), torch.cat([gt, gt])))
    assert [row.status for row in both] == ["no_face", "ok"] and both[0].value is None
    np.testing.assert_allclose(both[0].feature, both[1].feature[1:], atol=1e-6)  # the truth's own is kept


def test_the_angle_is_that_of_the_cosine_and_leaves_identical_pairs_out():
    rows = [Row("a", value=0.5), Row("b", value=math.cos(math.radians(0.5))), Row("c", value=0.0)]
    degrees = MeanAngle("leave-out", "degrees", 1.0)
    value = degrees.value(degrees.fold(rows), Context())
    assert value.value == pytest.approx(75) and value.extra == {"identical": 1}
    radians = MeanAngle("leave-out", "radians", 0.0)
    assert radians.value(radians.fold(rows[:1]), Context()).value == pytest.approx(math.pi / 3)


def test_verification_sets_its_threshold_on_other_people_and_knows_names():
    stream = np.random.default_rng(0)
    people = [f"p{i // 2}" for i in range(80)]
    centre = np.repeat(stream.standard_normal((40, 64)), 2, axis=0)
    truth = centre + 0.3 * stream.standard_normal((80, 64))
    truth /= np.linalg.norm(truth, axis=1, keepdims=True)
    limit, pairs = threshold(truth, people, 0.01)
    assert pairs == 80 * 79 // 2 - 40
    other = [truth[i] @ truth[j] for i in range(80) for j in range(i) if people[i] != people[j]]
    assert np.mean(np.array(other) > limit) == pytest.approx(0.01, abs=0.002)
    assert threshold(truth, [str(i) for i in range(80)], 0.01)[0] > limit
    metric = load_protocol("bfrbench-v1").metric("verification")
    rows = [Row(str(i), feature=np.stack([one, one]).astype("f4").reshape(-1)) for i, one in enumerate(truth)]
    names = {str(i): person for i, person in enumerate(people)}
    value = finalise(metric, [*rows, Row("lost", "no_face")], Context(identities=names))
    assert value.value == pytest.approx(80 / 81) and value.failed == {"no_face": 1}
    assert finalise(metric, rows[:4], Context()).value is None


def test_vqfrs_deg_is_the_angle_of_whole_grey_crops_and_the_same_in_a_batch(tmp_path):
    network = build_network()
    tensors = {f"module.{name}": tensor for name, tensor in numbers(network).items()}
    store = WeightStore(tmp_path, offline=True)
    torch.save(tensors, tmp_path / "resnet18_110.pth")
    store.add("arcface-resnet18-vqfr", tmp_path / "resnet18_110.pth")
    pairs = GreyPairs("arcface-resnet18-vqfr", store, "cpu")
    gt = faces(2, 128)
    restored = spoilt(gt)
    with torch.inference_mode():
        rows = pairs.rows(scored(restored, gt))
        alone = pairs.rows(scored(restored[1:], gt[1:]))
        itself = pairs.rows(scored(gt, gt))
    assert rows[1].value == pytest.approx(alone[0].value, abs=1e-5)
    assert -1 <= rows[0].value < 1
    metric = load_protocol("vqfr").metric("deg")
    same = finalise(metric, itself)
    assert same.value is None and same.extra == {"identical": 2}
    assert 1 < finalise(metric, rows).value < 180


def test_the_detection_rate_counts_images_with_a_face(store):
    spec = next(spec for spec in KINDS if spec.id == "detection")
    detection = Detection(spec, DetectionChoices(detector="yunet", threshold=0.8), 0.0)
    pictures = torch.cat([faces(1, 256), torch.zeros(1, 3, 256, 256)])
    assert [row.value for row in detection.open(store, "cpu").rows(scored(pictures, None))] == [1.0, 0.0]
