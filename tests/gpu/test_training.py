"""A training on a GPU, cut and resumed, against one that nothing interrupted.

Not to the bit: some of a GPU's sums have no order. Weights are of size 1 and a step moves each by 0.002 at most, so
an optimiser that lost its memory in the resume would show at about 1e-3.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from bfrbench.training import checkpoint, start
from bfrbench.training.order import Order
from tests.gpu.comparing import DEVICE
from tests.training.conftest import TINY

pytestmark = pytest.mark.cuda

ALLOWED = 3e-4
"""Of the length of all weights together but the mapping network's."""


def order() -> Order:
    return Order.of("gpen-prior@32", ["studio-train:64"], sets=[*TINY, "run.images=32"], device=DEVICE)


def apart(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> float:
    assert first.keys() == second.keys()
    keys = [key for key in sorted(first) if "style." not in key]  # whose weights are of size 100
    ours, theirs = (torch.cat([one[key].double().flatten() for key in keys]) for one in (first, second))
    return float((ours - theirs).norm() / theirs.norm())


def test_four_steps_cut_in_the_middle_equal_four_steps(tmp_path: Path) -> None:
    result = start.train(order(), tmp_path / "whole")
    kept = checkpoint.all_of(tmp_path / "whole")
    assert [int(place.name) for place in kept] == [16, 32]
    shutil.copytree(tmp_path / "whole", tmp_path / "cut")
    shutil.rmtree(checkpoint.folder(tmp_path / "cut", 32))
    again = start.train(order(), tmp_path / "cut", resume=True)
    pairs = [(result, again)]
    pairs += [tuple(checkpoint.weights_of(checkpoint.folder(tmp_path / name, 32)) for name in ("whole", "cut"))]  # type: ignore[list-item]
    for first, second in pairs:
        assert apart(load_file(second), load_file(first)) <= ALLOWED
    before = load_file(checkpoint.weights_of(kept[0]))
    assert apart(before, load_file(checkpoint.weights_of(kept[1]))) > 3 * ALLOWED  # it did learn meanwhile
