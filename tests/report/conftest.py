"""Two finished runs with pictures on a small board of noise, made once."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from bfrbench.bench.plan import Settings, make_plan
from bfrbench.bench.run import execute
from bfrbench.bench.stage import open_stage
from tests.bench.noise import noise_stage

COUNT = 24
BOARD = """name = "small"
title = "Small"
summary = "For tests."
ranks = false
dataset = "{images}"
size = 64
degradation = "vqfr-1@64"
seed = 1
protocol = "basic-v1"
[[breakdown]]
by = "severity"
edges = [0.5]
"""


@dataclass(frozen=True)
class Made:
    root: Path
    input: Path
    bicubic: Path
    board: Path


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    from bfrbench.imaging.write import write_image

    root = tmp_path_factory.mktemp("report")
    (root / "set").mkdir()
    noise = noise_stage(COUNT).dataset
    for image_id in noise.ids:
        gt = noise[image_id].gt
        assert gt is not None
        write_image(root / "set" / f"{image_id}.png", gt)
    board = root / "board.toml"
    board.write_text(BOARD.format(images=root / "set"))
    stage = open_stage(board, metrics=("psnr", "probe-level"))
    for ref in ("input", "bicubic"):
        execute(make_plan(ref, stage, Settings(out=root / ref, save_images=True, threads=1)))
    return Made(root, root / "input", root / "bicubic", board)
