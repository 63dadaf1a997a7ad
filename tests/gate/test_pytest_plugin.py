"""The fixture for other repositories, as one of them would use it."""

from __future__ import annotations

from pathlib import Path

import pytest

from bfrbench.bench.plan import Settings, make_plan
from bfrbench.bench.run import execute
from tests.bench.noise import noise_stage

pytest_plugins = ["pytester"]

BOARD = """name = "small"
title = "Small"
summary = "For tests."
ranks = false
dataset = "{images}"
size = 64
degradation = "vqfr-1@64"
seed = 1
protocol = "basic-v1"
[[gate]]
metric = "psnr"
max_drop = 0.1
"""


def write_images(folder: Path, count: int) -> None:
    from bfrbench.imaging.write import write_image

    folder.mkdir()
    stage = noise_stage(count)
    for image_id in stage.dataset.ids:
        gt = stage.dataset[image_id].gt
        assert gt is not None
        write_image(folder / f"{image_id}.png", gt)


@pytest.mark.timeout(300)
def test_the_fixture_passes_what_is_unchanged_and_fails_what_is_worse(
    pytester: pytest.Pytester, tmp_path: Path
) -> None:
    from bfrbench.bench.stage import open_stage

    write_images(tmp_path / "images", 16)
    board = tmp_path / "board.toml"
    board.write_text(BOARD.format(images=tmp_path / "images"))
    execute(make_plan("bicubic", open_stage(board, metrics=("psnr",)), Settings(out=tmp_path / "base")))
    pytester.makepyfile(
        f"""
        class Dark:
            def restore(self, batch):
                return batch.lq * 0.8

        def gate_of(gate, restorer):
            return gate(restorer, {str(tmp_path / "base")!r}, board={str(board)!r}, metrics=("psnr",))

        def test_same(bfrbench_gate):
            assert gate_of(bfrbench_gate, "bicubic").outcome == "pass"

        def test_worse(bfrbench_gate):
            gate_of(bfrbench_gate, Dark())
        """
    )
    result = pytester.runpytest_subprocess("-q")
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["*WORSE | psnr*"])
