"""`bfrbench.score`: the command's numbers from Python, and the examples of the pages that show it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import bfrbench
from bfrbench.cli import main
from bfrbench.errors import InputError, UsageError

ROOT = Path(__file__).parents[2]


@pytest.fixture
def folders(tmp_path: Path) -> Path:
    """Folders of three pairs under the names that the pages use."""
    stream = np.random.default_rng(0)
    for name in "abc":
        truth = stream.integers(40, 216, (96, 96, 3))
        for folder, noise in (("truth", 0), ("gt", 0), ("results", 9), ("restored", 9)):
            (tmp_path / folder).mkdir(exist_ok=True)
            image = truth + stream.integers(-noise, noise + 1, truth.shape)
            Image.fromarray(image.astype(np.uint8)).save(tmp_path / folder / f"{name}.png")
    return tmp_path


def test_python_and_the_command_give_the_same_numbers(folders: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = bfrbench.score(str(folders / "results"), folders / "truth", protocol="basic-v1", batch=2)
    command = ["score", str(folders / "results"), "--gt", str(folders / "truth"), "--protocol", "basic-v1"]
    assert main(["--quiet", *command, "--batch", "2", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert {name: value.value for name, value in found.values.items()} == {
        name: one["value"] for name, one in told["metrics"].items()
    }
    assert found.protocol.digest == told["protocol"]["digest"] and found.images == 3
    assert found.skipped == {"probe-unchanged": "needs lq"} == told["not_measured"]


@pytest.mark.parametrize("page", ["README.md", "docs/metrics.md"])
def test_the_example_of_a_page_runs(folders: Path, page: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folders)
    (lines,) = re.findall(r"^found = bfrbench\.score.*\nfound\..*$", (ROOT / page).read_text(), re.MULTILINE)
    first, second = lines.splitlines()
    names: dict[str, object] = {"bfrbench": bfrbench}
    exec(first, names)
    assert 25 < eval(second, names) < 40


def test_what_makes_no_sense_is_one_sentence(folders: Path) -> None:
    places = (folders / "results", folders / "truth")
    with pytest.raises(UsageError, match="two ways to say the same"):
        bfrbench.score(*places, protocol="basic-v1", metrics=["psnr"], without=["ssim"])
    with pytest.raises(UsageError, match="give a batch of 1 or more"):
        bfrbench.score(*places, protocol="basic-v1", batch=0)
    (folders / "truth" / "a.png").unlink()
    with pytest.raises(InputError, match="truth lacks a"):
        bfrbench.score(*places, protocol="basic-v1")


def test_naming_it_loads_no_torch() -> None:
    program = "import bfrbench, sys; bfrbench.score; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
