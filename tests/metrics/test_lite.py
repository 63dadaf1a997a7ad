"""The lite metrics on the network that ships: real scales, exact nulls, and rows as every other metric has them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from bfrbench.contracts import Scored
from bfrbench.errors import UsageError, WeightsError
from bfrbench.metrics import Context, Scorer, finalise, load_protocol
from bfrbench.metrics.explain import protocol_in_words
from bfrbench.metrics.pd_lite import layer_distance
from bfrbench.studio import split
from bfrbench.weights import WeightStore
from tests.metrics import lfw

LITE = ("ids-lite", "pd-lite", "fd-lite")


@pytest.fixture(scope="module")
def scorer() -> Scorer:
    return Scorer(load_protocol("lite").only(LITE))


@pytest.fixture(scope="module")
def faces() -> Tensor:
    images = np.stack([sample.image for sample in split("studio-ci", size=128, count=12)])
    return torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255


def values(scorer: Scorer, restored: Tensor, gt: Tensor) -> dict[str, float]:
    ids = tuple(f"face-{index}" for index in range(len(gt)))
    rows = scorer.rows(Scored(ids, None, restored, gt=gt))
    found = {metric.name: finalise(metric, rows[metric.rows], Context()).value for metric in scorer.metrics}
    assert all(value is not None for value in found.values())
    return found  # type: ignore[return-value]


def blurred(images: Tensor, sigma: float) -> Tensor:
    import cv2

    return torch.from_numpy(
        np.stack([cv2.GaussianBlur(image, (0, 0), sigma) for image in images.permute(0, 2, 3, 1).numpy()])
    ).permute(0, 3, 1, 2)


def test_the_same_image_is_at_no_distance(scorer: Scorer, faces: Tensor) -> None:
    found = values(scorer, faces, faces)
    assert found["ids-lite"] == pytest.approx(1, abs=1e-6)
    assert found["pd-lite"] == 0
    assert found["fd-lite"] == pytest.approx(0, abs=1e-4)


def test_each_of_them_notices_more_of_more_blur(scorer: Scorer, faces: Tensor) -> None:
    curves = [values(scorer, blurred(faces, sigma), faces) for sigma in (0.6, 1.5, 3, 6)]
    for name, sign in (("ids-lite", -1), ("pd-lite", 1), ("fd-lite", 1)):
        assert (np.diff([sign * curve[name] for curve in curves]) > 0).all(), name


def test_other_people_are_farther_than_the_same_person_blurred(scorer: Scorer) -> None:
    names = list(lfw.table().query("index in @names", local_dict={"names": lfw.pairs(40)["a"]}).index)[:24]
    real = torch.stack([lfw.picture(name) for name in names])
    blur, others = values(scorer, blurred(real, 1.0), real), values(scorer, real.roll(1, 0), real)
    assert blur["ids-lite"] > others["ids-lite"] + 0.3
    assert blur["pd-lite"] < others["pd-lite"]


def test_the_frechet_distance_is_that_of_the_pooled_features(scorer: Scorer, faces: Tensor) -> None:
    import scipy.linalg

    many = torch.cat([faces, faces.flip(3), blurred(faces, 0.7), (faces * 0.9)])
    restored = blurred(many, 1.5)
    rows = scorer.rows(Scored(tuple(map(str, range(len(many)))), None, restored, gt=many))["fd-lite"]
    ours, theirs = np.stack([row.feature for row in rows]).astype(np.float64).transpose(1, 0, 2)  # type: ignore[misc]
    a, b = np.cov(ours.T), np.cov(theirs.T)
    roots = np.sqrt(np.clip(scipy.linalg.eigvals(a @ b).real, 0, None)).sum()
    expected = np.square(ours.mean(0) - theirs.mean(0)).sum() + np.trace(a + b) - 2 * roots
    assert finalise(load_protocol("lite").metric("fd-lite"), rows).value == pytest.approx(expected, rel=1e-3)


def test_the_layer_distance_is_lpips_formula_with_equal_weights() -> None:
    from lpips import normalize_tensor, spatial_average

    torch.manual_seed(0)
    ours, theirs = ([torch.randn(2, width, side, side) for width, side in ((4, 8), (6, 4))] for _ in range(2))
    expected = sum(
        spatial_average((normalize_tensor(a) - normalize_tensor(b)).square().sum(1, keepdim=True), keepdim=False)
        for a, b in zip(ours, theirs, strict=True)
    )
    assert torch.allclose(layer_distance(ours, theirs), expected.flatten() / 2, rtol=1e-5)  # type: ignore[union-attr]


def test_how_images_are_batched_changes_nothing(scorer: Scorer, faces: Tensor) -> None:
    restored = blurred(faces, 2)
    whole = scorer.rows(Scored(tuple("abcdef"), None, restored[:6], gt=faces[:6]))
    for index, name in enumerate("abcdef"):
        part = slice(index, index + 1)
        alone = scorer.rows(Scored((name,), None, restored[part], gt=faces[part]))
        assert alone["ids-lite"][0].value == pytest.approx(whole["ids-lite"][index].value, abs=1e-5)
        assert alone["pd-lite"][0].value == pytest.approx(whole["pd-lite"][index].value, abs=1e-5)


def test_larger_boards_give_nearly_the_same_numbers(scorer: Scorer) -> None:
    found = []
    for size in (128, 256):
        images = np.stack([sample.image for sample in split("studio-ci", size=size, count=8)])
        gt = torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255
        found.append(values(scorer, blurred(gt, 2 * size / 128), gt))
    assert found[0]["ids-lite"] == pytest.approx(found[1]["ids-lite"], abs=0.1)
    assert found[0]["pd-lite"] == pytest.approx(found[1]["pd-lite"], rel=0.25)


def test_they_need_the_ground_truth(scorer: Scorer, faces: Tensor) -> None:
    with pytest.raises(UsageError, match="ground truth"):
        scorer.rows(Scored(("a",), None, faces[:1]))


def test_the_network_comes_from_the_package_without_any_download(own_home: Path) -> None:
    store = WeightStore(offline=True)
    path = store.path("lite-metrics")
    assert "embedded" in path.parts and path.stat().st_size < 4_000_000
    assert store.verify("lite-metrics").state == "ok"
    assert not (own_home / "weights").exists()


def test_a_network_that_is_not_the_card_s_is_refused(tmp_path: Path) -> None:
    wrong = tmp_path / "lite-metrics.safetensors"
    wrong.write_bytes(WeightStore(offline=True).path("lite-metrics").read_bytes()[:-1] + b"x")
    with pytest.raises(WeightsError, match="sha256"):
        WeightStore(tmp_path / "home", offline=True).add("lite-metrics", wrong)


def test_the_protocol_puts_the_network_last_and_says_what_it_is_not_for() -> None:
    protocol = load_protocol("lite")
    names = [metric.name for metric in protocol.metrics]
    assert names[:3] == ["psnr", "ssim", "ms-ssim"] and tuple(names[-3:]) == LITE
    assert all(name.startswith("probe-") for name in names[3:-3])
    told = " ".join(protocol_in_words(protocol))
    assert "never for ranking methods" in told and "weights lite-metrics" in told
    assert {name for metric in protocol.metrics for name in metric.kind.weights} == {"lite-metrics"}
