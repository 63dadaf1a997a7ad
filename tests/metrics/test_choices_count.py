"""A choice that changes nothing is not implemented: each is changed in turn, and the number changes with it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from bfrbench.contracts import Row, Scored
from bfrbench.degradations import apply, load_recipe
from bfrbench.imaging.convert import to_tensor
from bfrbench.metrics import Context
from bfrbench.metrics.catalogue import KINDS
from bfrbench.metrics.finaliser import Failure
from bfrbench.metrics.kind import Kind
from bfrbench.metrics.protocol import kind_class
from bfrbench.metrics.reference import Reference
from bfrbench.plugins import Owned
from bfrbench.weights import WeightStore
from tests.metrics.real_pairs import faces, hwc, spoilt
from tests.shared_weights import shared_store
from tests.weights.seeded import seeded_store

SPECS = {spec.id: spec for spec in KINDS}
PLANES = {"colour": "rgb", "rounded": False, "crop": 0, "match_colour": False}
OTHER_PLANES = {"colour": "y-studio", "crop": 3, "match_colour": True}
LUMA = {"colour": "y-full"}
EXTRACTOR = {"resize": "tensorflow-1", "scale": "128", "precision": "float32"}
AGAINST = EXTRACTOR | {"reference": "gt", "leave_out": "nothing"}
OTHER_EXTRACTOR = {"resize": "torch", "scale": "127.5", "precision": "float64"}
IDENTITY = {"engine": "mobilefacenet-arcface", "align": "gt", "points": "given", "detector": "yunet"}
OTHER_IDENTITY = {"align": "own", "points": "detected"}

BASES: dict[str, dict[str, Any]] = {
    "psnr": PLANES | {"epsilon": 0.0},
    "ssim": PLANES | {"negative": "keep"},
    "ms-ssim": PLANES | {"odd_sides": "drop", "when_small": "fewer-scales"},
    "probe-colour": {"grid": 4},
    "probe-level": {"colour": "rgb"},
    "probe-shift": {"smoothing": 2.0},
    "probe-sharpness": {"scale": 1.0, "floor": 0.01},
    "probe-unchanged": {"tolerance": 0.0},
    "lpips": {"net": "alex", "range": "-1..1", "channels": "rgb"},
    "niqe": {"weights": "niqe-npz", "colour": "y-studio", "rounded": True, "crop": 0, "window": "float64"},
    "pyiqa": {"model": "gmsd", "against": "gt", "better": "lower"},
    "identity": IDENTITY,
    "deg": IDENTITY | {"unit": "degrees"},
    "detection": {"detector": "yunet", "threshold": 0.5},
    "landmarks": {"engine": "pfld-68", "reading": "own", "normalise": "none"},
    "consistency": {"noise": "same", "cap": 60.0},
    "ind-rmse": {"levels": 255},
}
CHANGES = [
    *((kind, {name: value}) for kind in ("psnr", "ssim", "ms-ssim") for name, value in OTHER_PLANES.items()),
    *((kind, LUMA, {"rounded": True}) for kind in ("psnr", "ssim", "ms-ssim")),
    ("psnr", {"epsilon": 1e-2}),
    ("ssim", {"negative": "zero"}),
    ("ms-ssim", {"odd_sides": "pad"}),
    ("ms-ssim", {"when_small": "fail"}),
    ("probe-colour", {"grid": 1}),
    ("probe-level", {"colour": "y-full"}),
    ("probe-shift", {"smoothing": 1.0}),
    ("probe-sharpness", {"scale": 2.0}),
    ("probe-sharpness", {"floor": 10.0}),
    ("probe-unchanged", {"tolerance": 255.0}),
    ("lpips", {"net": "squeeze"}),
    ("lpips", {"range": "0..1"}),
    ("lpips", {"channels": "bgr"}),
    ("niqe", {"colour": "y-full"}),
    ("niqe", {"rounded": False}),
    ("niqe", {"crop": 5}),
    ("niqe", {"window": "float32"}),
    ("pyiqa", {"model": "nlpd"}),
    *((kind, {name: value}) for kind in ("identity", "deg") for name, value in OTHER_IDENTITY.items()),
    ("deg", {"unit": "radians"}),
    ("detection", {"threshold": 0.999}),
    ("landmarks", {"normalise": "eye-distance"}),
    ("consistency", {"noise": "none"}),
    ("consistency", {"cap": 10.0}),
    ("ind-rmse", {"levels": 1}),
]
ELSEWHERE = {
    ("lpips", "net"): "vgg: in test_lpips",
    ("niqe", "weights"): "both published files hold equal numbers",
    ("identity", "engine"): "the others' files cannot be had here",
    ("identity", "detector"): "other detectors are compared in tests/faces",
    ("deg", "engine"): "as identity",
    ("deg", "detector"): "as identity",
    ("detection", "detector"): "as identity",
    ("landmarks", "engine"): "AWing's file cannot be had here",
    ("landmarks", "reading"): "the same",
    **{(kind, "leave_out"): "in test_references" for kind in ("fid", "kid", "coverage")},
    ("pyiqa", "against"): "a wrong one is refused",
    ("pyiqa", "better"): "a wrong one is refused",
}


@pytest.fixture(scope="module")
def store(tmp_path_factory) -> WeightStore:
    home = tmp_path_factory.mktemp("choices")
    seeded = seeded_store(home, "alexnet", "squeezenet1.1", "inception-fid")
    real = shared_store("niqe-npz", "niqe-mat", "mobilefacenet-arcface", "yunet", "pfld-68", home=home)
    return WeightStore(home, offline=True, cards={**real.cards, **seeded.cards})


@pytest.fixture(scope="module")
def batch() -> Scored:
    """Odd-sided, too small for five scales, one channel inverted, with the truth's points shifted a little."""
    gt = faces(2, 512)
    recipe = load_recipe("gfpgan")
    draws = tuple(recipe.draw(seed=0, image_id=str(index)) for index in range(2))
    lq = torch.stack([to_tensor(apply(hwc(one), draw).lq) for one, draw in zip(gt, draws, strict=True)])
    restored = spoilt(gt, factor=3)
    restored = torch.cat([restored[:, :1], 1 - restored[:, 1:2], restored[:, 2:]], 1).mul(255).round() / 255
    five = np.array([[190, 238], [320, 242], [260, 312], [205, 372], [311, 370]], np.float32)
    return Scored(("0", "1"), lq, restored, gt=gt, draws=draws, points=(five, five), posterior_mean=lq)


def cut(batch: Scored, kind: str) -> Scored:
    """The middle of it, for metrics that care for sides; whole for those that care for faces."""
    if kind in ("identity", "deg", "detection", "landmarks", "consistency", "probe-unchanged"):
        return batch
    side = 250 if kind == "niqe" else 139
    inner = slice(130, 130 + side)
    sides = {name: getattr(batch, name)[..., inner, inner] for name in ("restored", "gt", "posterior_mean")}
    return Scored(batch.ids, None, sides["restored"], gt=sides["gt"], posterior_mean=sides["posterior_mean"])


def made(kind: str, choices: dict[str, Any], failure: Failure = "leave-out") -> Kind[Any]:
    cls = kind_class(Owned(SPECS[kind], "builtin"))
    return cls(SPECS[kind], cls.Choices.model_validate(choices), failure)


def number(kind: str, choices: dict[str, Any], batch: Scored, store: WeightStore) -> float | None:
    metric = made(kind, choices)
    with torch.inference_mode():
        rows = metric.open(store, "cpu").rows(cut(batch, kind))
    return metric.finaliser.value(metric.finaliser.fold(rows), Context()).value


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: "-".join(map(str, (change[0], *change[-1].items()))))
def test_a_changed_choice_changes_the_number(change, batch, store):
    kind, *extra, altered = change
    base = BASES[kind] | (extra[0] if extra else {})
    before, after = (number(kind, choices, batch, store) for choices in (base, base | altered))
    assert before is not None
    assert after is None or after != pytest.approx(before, rel=1e-7, abs=1e-9)


ROWS = [
    Row(str(i), feature=pair) for i, pair in enumerate(np.random.default_rng(0).normal(size=(40, 2, 2048)).astype("f4"))
]
FEATURE_BASES: dict[str, dict[str, Any]] = {
    "fid": AGAINST,
    "kid": AGAINST | {"subsets": 3, "subset_size": 20, "seed": 1},
    "coverage": AGAINST | {"what": "density", "neighbours": 5},
    "verification": IDENTITY | {"false_accepts": 0.05},
    "grey-deg": {"weights": "arcface-resnet18-vqfr", "unit": "degrees", "identical_below": 1.0},
}
FEATURE_CHANGES = [
    *((kind, {"reference": "other"}) for kind in ("fid", "kid", "coverage")),
    ("kid", {"subsets": 4}),
    ("kid", {"subset_size": 21}),
    ("kid", {"seed": 2}),
    ("coverage", {"what": "coverage"}),
    ("coverage", {"neighbours": 6}),
    ("verification", {"false_accepts": 0.2}),
    ("grey-deg", {"unit": "radians"}),
    ("grey-deg", {"identical_below": 89.0}),
]


def other_reference() -> Reference:
    features = np.random.default_rng(1).normal(size=(50, 2048)).astype("f4")
    return Reference("other", "", "", 50, features.mean(0, float), np.cov(features, rowvar=False), features=features)


@pytest.mark.parametrize("change", FEATURE_CHANGES, ids=str)
def test_a_changed_choice_of_a_finaliser_changes_the_number_of_the_same_rows(change):
    kind, altered = change
    base = FEATURE_BASES[kind]
    share = (1.0, 0.02) if kind == "verification" else (0.03, 1.0)
    rows = [Row(row.id, value=0.02 * index, feature=near(row.feature, *share)) for index, row in enumerate(ROWS)]
    found = []
    for choices in (base, base | altered):
        finaliser = made(kind, choices).finaliser
        found.append(finaliser.value(finaliser.fold(rows), Context(other_reference())).value)
    assert found[0] is not None and found[1] is not None
    assert found[0] != pytest.approx(found[1], rel=1e-7)


def near(feature: np.ndarray, own: float, truth: float) -> np.ndarray:
    """Restored features that resemble their truth's more or less, all of length one."""
    moved = np.stack([own * feature[0] + truth * feature[1], feature[1]])
    return moved / np.linalg.norm(moved, axis=1, keepdims=True)


@pytest.mark.parametrize("altered", [{name: value} for name, value in OTHER_EXTRACTOR.items()], ids=str)
def test_a_changed_choice_of_the_extractor_changes_the_features(altered, store):
    gt = faces(1, 160)
    one, two = (
        made("fid", AGAINST | {"reference": "none"} | some).open(store, "cpu").rows(Scored(("a",), None, gt))[0].feature
        for some in ({}, altered)
    )
    assert not np.array_equal(one, two)


@pytest.mark.parametrize("kind", sorted(set(SPECS)))
def test_every_choice_of_every_kind_is_changed_somewhere(kind):
    choices = set(kind_class(Owned(SPECS[kind], "builtin")).Choices.model_fields)
    changed = {name for one, *_, altered in [*CHANGES, *FEATURE_CHANGES] if one == kind for name in altered}
    changed |= set(OTHER_EXTRACTOR) if kind in ("fid", "kid", "coverage") else set()
    changed |= set(IDENTITY) if kind in ("verification", "recognition-frechet") else set()
    changed |= {"weights"} if kind == "grey-deg" else set()
    changed |= {name for one, name in ELSEWHERE if one == kind}
    assert choices <= changed


@pytest.mark.parametrize("kind", ["psnr", "identity", "deg", "niqe"])
def test_what_a_failure_scores_changes_the_number(kind):
    rows = [Row("a", value=0.5), Row("b", "no_face")]
    found = []
    for failure in ("leave-out", 3.0):
        finaliser = made(kind, BASES[kind], failure).finaliser
        found.append(finaliser.value(finaliser.fold(rows), Context()))
    assert found[0].value != found[1].value and found[0].failed == found[1].failed == {"no_face": 1}
