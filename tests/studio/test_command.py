"""`bfrbench studio`: files that other rooms can open, and sheets."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bfrbench.cli import main
from bfrbench.data import open_dataset
from bfrbench.studio import CLASSES, split


def test_rendered_files_open_as_a_labelled_data_set(tmp_path: Path) -> None:
    out = tmp_path / "faces"
    assert main(["studio", "render", str(out), "--n", "3", "--size", "64", "--split", "studio-ci", "--labels"]) == 0
    opened, whole = open_dataset(str(out)), split("studio-ci", size=64)
    assert sorted(opened.ids) == sorted(whole.ids[:3])
    sample, known = opened[whole.ids[1]], whole[1]
    assert np.array_equal(sample.image, known.image) and sample.identity == known.identity
    assert sample.pose == known.pose and np.allclose(sample.points, known.points)
    parsing = np.asarray(Image.open(tmp_path / "faces-parsing" / f"{whole.ids[1]}.png"))
    assert np.array_equal(parsing, whole.shot(1).parsing)
    assert (tmp_path / "faces-parsing" / "classes.txt").read_text().split("\n")[: len(CLASSES)] == list(CLASSES)


def test_files_are_not_written_over_unless_asked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["studio", "render", str(tmp_path), "--n", "1", "--size", "64"]
    assert main(arguments) == 0
    assert main(arguments) == 2
    assert "already there" in capsys.readouterr().err
    assert main([*arguments, "--force"]) == 0


def test_a_sheet_holds_the_pictures_in_rows(tmp_path: Path) -> None:
    out = tmp_path / "sheet.png"
    assert main(["studio", "sheet", str(out), "--n", "5", "--size", "64", "--columns", "3", "--landmarks"]) == 0
    sheet = np.asarray(Image.open(out))
    assert sheet.shape == (128, 192, 3) and (sheet[64:, 128:] == 255).all()
    plain = split("studio-test", size=64)[0].image
    assert 0 < (sheet[:64, :64] != plain).any(-1).mean() < 0.2


def test_the_list_names_every_set(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["studio", "list", "--json"]) == 0
    names = [row["name"] for row in json.loads(capsys.readouterr().out)]
    assert names == ["studio-ci", "studio-test", "studio-pose", "studio-train"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["render", "OUT", "--size", "48"], "64 to 512"),
        (["render", "OUT", "--split", "studio-tset"], "studio-test"),
        (["render", "OUT", "--split", "studio-ci", "--n", "100"], "1 to 64"),
        (["sheet", "OUT.txt"], "suffix"),
        (["sheet", "OUT.png", "--columns", "0"], "at least 1"),
    ],
)
def test_wrong_wishes_are_told_in_one_line(
    arguments: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["studio", *(a.replace("OUT", str(tmp_path / "out")) for a in arguments)]) == 2
    error = capsys.readouterr().err
    assert said in error and "Traceback" not in error
