"""Facial components: where they are cut, what flips do to them, and that recipes train with them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from bfrbench.data import open_dataset
from bfrbench.errors import UsageError
from bfrbench.training import losses, start
from bfrbench.training.components import PARTS, Components, ComponentSettings, FivePoints, boxes
from bfrbench.training.feeding import mirrored
from bfrbench.training.journal import read_stats
from bfrbench.training.order import Order
from bfrbench.training.sampler import Place
from bfrbench.training.task import Faces
from tests.training.conftest import TINY

PAIRS = [*TINY, "run.images=16", "degradation=vqfr-1@32", "task.components=0.5", "task.prior=none"]


def points_of(sample: object) -> torch.Tensor:
    return torch.from_numpy(np.array(sample.points, np.float32))[None]  # type: ignore[attr-defined]


def test_a_box_is_centred_on_its_part_and_as_wide_as_the_eyes_say() -> None:
    points = torch.tensor([[[40.0, 50.0], [80.0, 50.0], [60.0, 70.0], [45.0, 90.0], [75.0, 90.0]]])
    found = boxes(points)
    assert torch.allclose(found["left-eye"], torch.tensor([[40.5 - 17, 50.5 - 17, 40.5 + 17, 50.5 + 17]]))
    assert torch.allclose(found["mouth"], torch.tensor([[60.5 - 18, 90.5 - 18, 60.5 + 18, 90.5 + 18]]))
    points[0, 4, 0] = 46  # the mouth from aside
    assert float(boxes(points)["mouth"][0, 2] - boxes(points)["mouth"][0, 0]) == pytest.approx(20)


def test_the_left_eye_of_a_mirrored_face_is_the_mirrored_right_one() -> None:
    sample = open_dataset("studio-ci:64")[5]
    turned = mirrored(sample)
    crops = []
    for one, part in ((sample, "right-eye"), (turned, "left-eye")):
        image = torch.from_numpy(one.image.copy()).permute(2, 0, 1)[None].float()
        crops.append(losses.crops(image, boxes(points_of(one))[part], 16))
    assert torch.allclose(crops[0].flip(3), crops[1], atol=1e-3) and float(crops[0].std()) > 1


def test_faces_without_points_are_left_out_of_the_losses() -> None:
    torch.manual_seed(0)
    parts = Components(32, ComponentSettings(components=1.0), 0.1)
    gt, made = torch.randn(2, 3, 32, 32), torch.randn(2, 3, 32, 32)
    points = torch.tensor([[[10.0, 12.0], [22.0, 12.0], [16.0, 18.0], [12.0, 24.0], [20.0, 24.0]]] * 2)
    one = {"points": points, "has-points": torch.tensor([True, False])}
    terms = parts.terms(made, Faces(gt, labels=one))
    alone = parts.terms(made[:1], Faces(gt[:1], labels={name: values[:1] for name, values in one.items()}))
    assert set(terms) == {*PARTS, *(f"{part}-style" for part in PARTS)}
    assert all(torch.allclose(terms[name], alone[name]) for name in terms)
    assert parts.terms(made, Faces(gt, labels={**one, "has-points": torch.tensor([False, False])})) == {}


def test_equal_parts_have_no_style_loss_and_the_real_side_is_not_taught() -> None:
    parts = Components(32, ComponentSettings(components=1.0), 0.1)
    gt = torch.randn(1, 3, 32, 32, requires_grad=True)
    points = torch.tensor([[[10.0, 12.0], [22.0, 12.0], [16.0, 18.0], [12.0, 24.0], [20.0, 24.0]]])
    labels = {"points": points, "has-points": torch.tensor([True])}
    made = gt.detach().clone().requires_grad_(True)
    terms = parts.terms(made, Faces(gt, labels=labels))
    assert all(float(terms[f"{part}-style"].detach()) < 1e-6 for part in PARTS)
    sum(terms.values(), torch.zeros(())).backward()
    assert gt.grad is None and made.grad is not None and float(made.grad.abs().sum()) > 0


@pytest.mark.parametrize("recipe", ["gpen-finetune", "mmrb"])
def test_recipes_train_with_components(recipe: str, tmp_path: Path) -> None:
    more = ["task.perceptual=0", "task.warm_up=false"] if recipe == "mmrb" else []
    what = Order.of(f"{recipe}@32", ["studio-ci:64"], sets=[*PAIRS, *more])
    assert start.train(what, tmp_path / "run").is_file()
    names = {name for line in read_stats(tmp_path / "run") for name in line}
    assert {"components/mouth", "components/left-eye", "restorer/mouth", "restorer/right-eye-style"} <= names


def test_a_set_without_points_is_refused_where_components_are_asked_for(photographs: Path) -> None:
    with pytest.raises(UsageError, match="no data set has five points"):
        start.preview(Order.of("gpen-finetune@32", [str(photographs)], sets=PAIRS))
    label = FivePoints([open_dataset("studio-ci:64")])
    sample = open_dataset("studio-ci:64")[0]
    assert label(sample, Place(0, 0, 0), mirrored=False)["points"].shape == (5, 2)
