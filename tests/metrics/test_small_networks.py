"""The metrics of the protocol small-networks, on real faces of people that nothing was trained on."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.linalg
import torch
from torch.nn import functional as F

from bfrbench.contracts import Row, Scored
from bfrbench.metrics import Context, Scorer, load_protocol
from bfrbench.metrics.catalogue import KINDS
from bfrbench.metrics.identity import IdentityChoices
from bfrbench.metrics.recognition_frechet import RecognitionFrechet
from bfrbench.metrics.retinaface_distance import CARD, RetinaFaceTrunk
from bfrbench.weights import WeightStore
from tests.metrics import lfw
from tests.metrics.real_pairs import spoilt
from tests.shared_data import shared
from tests.shared_weights import shared_store

IDENTITY = {"engine": "mobilefacenet-arcface", "align": "gt", "points": "given", "detector": "yunet"}


@pytest.fixture(scope="module")
def store(tmp_path_factory) -> WeightStore:
    names = (CARD, "mobilefacenet-arcface", "yunet", "pfld-68")
    return shared_store(*names, home=tmp_path_factory.mktemp("small"))


@pytest.fixture(scope="module")
def gt() -> torch.Tensor:
    return torch.stack([lfw.picture(name) for name in list(lfw.pairs(8)["a"])])


def test_the_retinaface_distance_is_its_formula_on_facexlibs_own_network(store, gt):
    """Written again with hooks on facexlib's detector, whose leak is taken out as its file asks."""
    from facexlib.detection.retinaface import RetinaFace

    network = RetinaFace(network_name="mobile0.25", device="cpu").eval()
    held = torch.load(shared("weights", "retinaface_mobilenet0.25.pth"), weights_only=True, map_location="cpu")
    network.load_state_dict({name.removeprefix("module."): value for name, value in held.items()})
    for module in network.modules():
        if isinstance(module, torch.nn.LeakyReLU):
            module.negative_slope = 0.0
    body, seen = network.body, []
    for part in (body.stage1[1], body.stage1[3], body.stage1[5], body.stage2, body.stage3):
        part.register_forward_hook(lambda _, __, out: seen.append(out.clone()))
    restored = spoilt(gt)
    with torch.inference_mode():
        for side in (restored, gt):
            network((side * 255).flip(1) - torch.tensor([104.0, 117.0, 123.0]).view(1, 3, 1, 1))
        ours = RetinaFaceTrunk(store, "cpu").distance(restored, gt)
    layers = [(F.normalize(a, dim=1), F.normalize(b, dim=1)) for a, b in zip(seen[:5], seen[5:], strict=True)]
    theirs = torch.stack([(a - b).square().sum(1).mean((1, 2)) for a, b in layers]).mean(0)
    assert torch.allclose(ours, theirs, rtol=1e-4, atol=1e-6) and float(ours.min()) > 0.01


def test_the_retinaface_distance_grows_with_the_damage_and_is_largest_between_people(store, gt):
    trunk = RetinaFaceTrunk(store, "cpu")
    with torch.inference_mode():
        found = [trunk.distance(spoilt(gt, factor=factor, noise=0), gt) for factor in (2, 4, 8)]
        apart = trunk.distance(gt.roll(1, 0), gt)
        assert float(trunk.distance(gt, gt).abs().max()) == 0
    assert bool((found[0] < found[1]).all() and (found[1] < found[2]).all())
    assert float(found[2].mean()) < float(apart.mean()) < 1.0


def frechet(features: np.ndarray) -> float:
    kind = RecognitionFrechet(
        next(spec for spec in KINDS if spec.id == "recognition-frechet"), IdentityChoices(**IDENTITY), "leave-out"
    )
    rows = [Row(str(index), feature=pair.ravel()) for index, pair in enumerate(features)]
    value = kind.finaliser.value(kind.finaliser.fold(rows), Context())
    assert value.value is not None and value.n == len(features)
    return value.value


def test_the_recognition_distance_is_scipys_of_the_same_embeddings():
    stream = np.random.default_rng(0)
    pairs = stream.normal(size=(300, 2, 32)).astype("f4")
    pairs[:, 0] = 0.5 * pairs[:, 0] + pairs[:, 1] + 0.1
    first, second = (pairs[:, side].astype(float) for side in (0, 1))
    a, b = np.cov(first, rowvar=False), np.cov(second, rowvar=False)
    apart = first.mean(0) - second.mean(0)
    theirs = apart @ apart + np.trace(a + b - 2 * scipy.linalg.sqrtm(a @ b).real)
    assert frechet(pairs) == pytest.approx(float(theirs), rel=1e-4)


def test_the_protocol_scores_real_faces_and_orders_them_by_their_damage(store, gt):
    names = list(lfw.pairs(8)["a"])
    scorer = Scorer(load_protocol("small-networks").only(["retinaface-distance", "ids", "lmd"]), "cpu", store=store)
    means = []
    for factor in (2, 8):
        points = tuple(lfw.points(name) for name in names)
        rows = scorer.rows(Scored(tuple(names), None, spoilt(gt, factor=factor), gt=gt, points=points))
        means.append({name: float(np.mean([row.value for row in some])) for name, some in rows.items()})
    mild, strong = means
    assert mild["retinaface-distance"] < strong["retinaface-distance"]
    assert mild["ids"] > strong["ids"] and mild["lmd"] < strong["lmd"]
