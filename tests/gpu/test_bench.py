"""A whole run of the bench on a GPU against one on the CPU: the same images in, nearly the same numbers out."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from bfrbench_gpen.checkpoints import published_table
from bfrbench_gpen.network import Gpen, GpenShape

from bfrbench.bench.api import run
from bfrbench.bench.checking import read_rows, scorecard_problems
from bfrbench.bench.scorecard import Scorecard
from tests.gpu.comparing import DEVICE
from tests.nn.seeded import fill

pytestmark = pytest.mark.cuda

LOOSE = {"probe-level": 0.02, "probe-shift": 0.02, "probe-sharpness": 0.01, "fd-lite": 1e-3}
"""Some pixels of the 8-bit answers are rounded the other way; numbers near 0 feel it."""


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("gpen") / "gpen.pth"
    shape = GpenShape(128, multiplier=1.0, narrow=0.03125, style_dim=64)
    torch.save(published_table(fill(Gpen(shape), 1)), path)
    return path


@pytest.mark.parametrize("in_process", [False, True], ids=["in a worker", "in this process"])
def test_a_run_there_comes_to_the_numbers_of_the_cpu(file: Path, tmp_path: Path, in_process: bool) -> None:
    def done(device: str, name: str) -> Scorecard:
        out = tmp_path / name
        return run(f"gpen:{file}", "studio-ci", out=out, limit=16, device=device, in_process=in_process)

    ours, theirs = done(DEVICE, "there"), done("cpu", "here")
    rows = [read_rows(tmp_path / name) for name in ("there", "here")]
    assert list(rows[0]["id"]) == list(rows[1]["id"]) and len(rows[0]["id"]) == 16
    assert list(rows[0]["input"]) == list(rows[1]["input"])
    assert scorecard_problems(tmp_path / "there")[1] == []
    assert ours.results.metrics.keys() == theirs.results.metrics.keys()
    for name, expected in theirs.results.metrics.items():
        found = ours.results.metrics[name]
        assert (found.n, found.failed) == (expected.n, expected.failed), name
        assert found.value == pytest.approx(expected.value, rel=1e-3, abs=LOOSE.get(name, 1e-6)), name
