"""The GitHub action: its own steps, run in order by a shell as a job would run them."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

import bfrbench
from bfrbench.bench import scorecard
from bfrbench.imaging.write import write_image
from tests.bench.noise import Noise

ROOT = Path(__file__).resolve().parents[2]
BOARD = """name = "small"
title = "Small"
summary = "For tests."
dataset = "{images}"
size = 64
degradation = "vqfr-1@64"
protocol = "basic-v1"
[[gate]]
metric = "psnr"
max_drop = 0.2
"""


class Job:
    """One job, which may use the action more than once: the folder for temporary files is the job's."""

    def __init__(self, folder: Path) -> None:
        self.temp, self.summary = folder / "temp", folder / "summary.md"
        self.temp.mkdir()
        self.action: dict[str, Any] = yaml.safe_load((ROOT / "action.yml").read_text())

    def use(self, **inputs: str) -> tuple[int, dict[str, str]]:
        """The exit code of the last step, and what the steps with an id gave."""
        given = {name: str(one.get("default", "")) for name, one in self.action["inputs"].items()} | inputs
        known = {f"inputs.{name}": value for name, value in given.items()}
        code = 0
        for step in self.action["runs"]["steps"]:
            if "run" not in step or "INSTALL" in step.get("env", {}):
                continue
            output = self.temp / "output"
            output.write_text("")
            environment = {name: self.filled(value, known) for name, value in step["env"].items()}
            environment |= {"GITHUB_OUTPUT": str(output), "GITHUB_STEP_SUMMARY": str(self.summary)}
            environment |= {"RUNNER_TEMP": str(self.temp)}
            path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
            done = subprocess.run(
                ["bash", "-eo", "pipefail", "-c", step["run"]],
                env={**os.environ, "PATH": path, **environment},
                capture_output=True,
                text=True,
            )
            code = done.returncode
            lines = dict(line.split("=", 1) for line in output.read_text().splitlines())
            known |= {f"steps.{step.get('id')}.outputs.{name}": value for name, value in lines.items()}
            if code:
                break
        outputs = self.action.get("outputs", {})
        return code, {name: self.filled(one["value"], known) for name, one in outputs.items()}

    @staticmethod
    def filled(text: str, known: dict[str, str]) -> str:
        return re.sub(r"\$\{\{ (\S+) \}\}", lambda found: known[found[1]], text)


@pytest.fixture
def board(tmp_path: Path) -> Path:
    noise = Noise(12)
    for image_id in noise.ids:
        write_image(tmp_path / "set" / f"{image_id}.png", noise[image_id].image)
    path = tmp_path / "board.toml"
    path.write_text(BOARD.format(images=tmp_path / "set"))
    return path


def test_a_job_may_use_the_action_twice(board: Path, tmp_path: Path) -> None:
    bfrbench.run("input", board, out=tmp_path / "baseline", threads=1)
    job, baseline = Job(tmp_path), str(tmp_path / "baseline")
    first = job.use(restorer="input", board=str(board), baseline=baseline)
    second = job.use(restorer="bicubic", board=str(board), baseline=baseline)
    assert (first[0], second[0]) == (0, 1), "the same restorer passes; one that blurs what is noise already is worse"
    assert scorecard.read(Path(first[1]["run"])).results.restorer.ref == "input"
    assert scorecard.read(Path(second[1]["run"])).results.restorer.ref == "bicubic"
    assert "| WORSE | psnr |" in job.summary.read_text()
