"""As a user has it: super-resolution by the same command with another degradation, and a photograph restored."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import torch
from bfrbench_mmrb.network import MmrbShape, MmrbStyleGan2
from safetensors.torch import save_file

from bfrbench.cli import main
from bfrbench.imaging.read import read_image
from bfrbench.training.journal import read_stats
from tests.shared_data import shared
from tests.shared_weights import shared_store

SMALL = ["narrow=0.0625", "style_dim=32", "perceptual=0", "warm_up=false", "prior=none"]
SHORT = ["images=4", "batch=2", "workers=0", "log_every=2", "checkpoint_every=4"]


@pytest.mark.parametrize("factor", [4, 8, 16])
def test_super_resolution_is_the_same_command_with_another_degradation(
    factor: int, photographs: Path, tmp_path: Path
) -> None:
    recipe = f"sr-bicubic-x{factor}"
    wanted = [f"task.{word}" for word in (*SMALL, "redegradation=1.0", f"factor={factor}")]
    wanted += [f"run.{word}" for word in SHORT] + [f"degradation={recipe}"]
    sets = [part for word in wanted for part in ("--set", word)]
    run, lq, out = tmp_path / "run", tmp_path / "lq", tmp_path / "restored"
    assert main(["train", "mmrb@32", "--data", str(photographs), "--out", str(run), *sets]) == 0
    assert read_stats(run)[-1]["restorer/redegradation"] > 0
    assert main(["degrade", str(photographs), str(lq), "--recipe", recipe]) == 0
    restorer = f"mmrb:{run / 'result.safetensors'}"
    assert main(["restore", str(lq), "-o", str(out), "--aligned", "--with", restorer]) == 0
    restored = sorted(out.rglob("*.png"))
    assert [read_image(path).shape for path in restored] == [(32, 32, 3)] * len(list(photographs.glob("*.png")))


@pytest.fixture
def untrained_512(tmp_path: Path) -> Path:
    """A tiny network of 512 px that has learnt nothing: enough to prove the way of a photograph, never a result."""
    torch.manual_seed(0)
    network = MmrbStyleGan2(MmrbShape(512, narrow=0.125, style_dim=32))
    path = tmp_path / "untrained.safetensors"
    tensors = {name: tensor.contiguous() for name, tensor in network.state_dict().items()}
    save_file(tensors, path, metadata={"training": json.dumps({"network": asdict(network.shape)})})
    return path


def test_a_photograph_goes_through_mmrb_512_and_only_its_face_changes(untrained_512: Path, tmp_path: Path) -> None:
    shared_store("yunet")
    photograph, out = shared("faces_wild", "wild_fa432389_whole.jpg"), tmp_path / "out.png"
    words = ["restore", str(photograph), "-o", str(out), "--with", f"mmrb-512:{untrained_512}", "--detector", "yunet"]
    assert main(words) == 0
    before, after = read_image(photograph), read_image(out)
    changed = np.abs(before.astype(int) - after).max(axis=2) > 8
    assert before.shape == after.shape
    assert 0.005 < changed.mean() < 0.9
