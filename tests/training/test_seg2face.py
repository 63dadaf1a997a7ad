"""From parsing maps to faces: what the labeller hands over, and that the recipe trains and its result is used."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from bfrbench_gpen.seg2face import ParsingMaps, celeba_classes

import bfrbench
from bfrbench.data import open_dataset
from bfrbench.degradations.tasks import PALETTE
from bfrbench.errors import UsageError
from bfrbench.imaging.read import read_image
from bfrbench.studio.paint import CLASS, CLASSES
from bfrbench.training import start
from bfrbench.training.feeding import mirrored
from bfrbench.training.order import Order
from bfrbench.training.sampler import Place
from tests.training.conftest import TINY

NAMES = list(PALETTE)


def test_every_class_has_a_colour_of_its_own_and_sides_are_those_of_the_picture() -> None:
    parsing = np.array([[CLASS["eye"], CLASS["clothes"], CLASS["hair"], CLASS["eye"]]], np.uint8)
    points = np.array([[0, 0], [3, 0], [1, 0], [0, 0], [3, 0]], np.float32)
    found = [NAMES[number] for number in celeba_classes(parsing, points)[0]]
    assert found == ["left eye", "cloth", "hair", "right eye"]
    all_classes = np.arange(len(CLASSES), dtype=np.uint8)[None]
    assert len(np.unique(celeba_classes(all_classes, points))) == len(CLASSES)


def test_a_mirrored_face_has_the_mirrored_map_with_sides_exchanged() -> None:
    faces = open_dataset("studio-ci:64")
    label, place = ParsingMaps([faces]), Place(0, 3, 0)
    sample = faces[3]
    plain = label(sample, place, mirrored=False)["palette"]
    assert plain.shape == (3, 64, 64) and plain.dtype == np.uint8
    turned = label(mirrored(sample), place, mirrored=True)["palette"][:, :, ::-1]
    sided = [np.array(PALETTE[name], np.uint8) for name in NAMES if name.startswith(("left", "right"))]
    of_a_side = np.any([(plain == colour[:, None, None]).all(0) for colour in sided], axis=0)
    assert of_a_side.any() and np.array_equal(plain[:, ~of_a_side], turned[:, ~of_a_side])
    left, right = (np.array(PALETTE[f"{side} eye"], np.uint8)[:, None, None] for side in ("left", "right"))
    assert ((plain == left).all(0) == (turned == right).all(0)).all() and (plain == left).all(0).any()


def test_a_priors_pictures_are_the_same_in_the_range_that_the_network_works_in() -> None:
    sets = ["task.narrow=0.03", "task.prior=none"]
    ours: Any = start.build(Order.of("gpen-seg2face@32", ["studio-ci"], sets=sets), torch.device("cpu"))
    plain: Any = start.build(Order.of("gpen-finetune@32", ["studio-ci"], sets=sets), torch.device("cpu"))
    pictures = []
    for task in (ours, plain):
        generator = task.gpen.generator
        with torch.no_grad():
            pictures.append(generator(torch.ones(2, 512), generator.seeded_noise([1, 2])))
    assert torch.allclose(pictures[0] * 2 - 1, pictures[1], atol=1e-5) and float(pictures[1].std()) > 0.1


def test_it_trains_is_shown_and_its_weights_restore(tmp_path: Path) -> None:
    sets = [*TINY, "run.images=16", "run.sample_every=16", "run.samples=2", "task.r1_every=2", "task.prior=none"]
    what = Order.of("gpen-seg2face@32", ["studio-ci:64"], sets=sets, validation="studio-ci:64")
    result = start.train(what, tmp_path / "run")
    assert read_image(tmp_path / "run" / "samples" / "000000000016.png").shape == (2 * 32, 2 * 32, 3)
    painted = np.zeros((32, 32, 3), np.uint8)
    assert bfrbench.load_restorer(f"gpen-seg2face:{result}")(painted).shape == (32, 32, 3)


def test_sets_without_maps_are_refused_before_anything_starts(photographs: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no parsing maps"):
        start.preview(Order.of("gpen-seg2face@32", [str(photographs)], sets=[*TINY, "task.prior=none"]))
