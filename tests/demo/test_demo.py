"""The demonstration: leaderboards and reports from real runs, and photographs restored where their faces are."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from bfrbench.demo import boards
from bfrbench.demo.photographs import KnownFaces, photographs, restore_photographs
from bfrbench.faces.align import FFHQ_512, similarity
from bfrbench.imaging.read import read_image
from tests.shared_weights import shared_store


def test_a_board_becomes_a_leaderboard_and_a_report_and_a_second_time_runs_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(boards, "BOARDS", {"studio-ci": 8})
    (shown,) = boards.show_boards(("input", "bicubic", "oracle"), tmp_path, full=False)
    table = json.loads((shown.page.parent / "leaderboard.json").read_text())
    assert {line["restorer"] for line in table["lines"]} >= {"input", "bicubic", "oracle"}
    assert {path.suffix for path in shown.page.parent.glob("*.*")} >= {".md", ".csv", ".tex", ".html", ".json"}
    assert "<img" in shown.report.read_text() or "data:image" in shown.report.read_text()
    runs = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("rows/*.parquet")}
    (tmp_path / "leaderboards" / "studio-ci").mkdir(parents=True)
    (tmp_path / "leaderboards" / "studio-ci" / "mine.json").write_text("somebody's own")
    boards.show_boards(("input", "bicubic", "oracle"), tmp_path, full=False)
    assert (tmp_path / "leaderboards" / "studio-ci" / "mine.json").is_file()
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("rows/*.parquet")} == runs


def test_the_photographs_of_the_card_are_in_the_installed_libraries() -> None:
    assert [each.name for each in photographs() if each.path() is None] == []


def test_the_faces_of_the_card_are_where_a_detector_finds_them() -> None:
    from bfrbench.faces.detect import load_detector

    detect = load_detector("yunet", shared_store("yunet"))
    for photograph in photographs():
        path = photograph.path()
        assert path is not None
        found = detect(read_image(path))
        assert len(found) == len(photograph.face)
        for face in photograph.face:
            told = np.asarray(face.points)
            eyes = np.linalg.norm(told[0] - told[1])
            gaps = [np.abs(other.points - told).max() / eyes for other in found]
            assert min(gaps) < 0.4, "within detectors' usual difference"
            assert abs(np.linalg.det(similarity(told.astype(np.float32), FFHQ_512)[:, :2])) > 1, "enlarged to a crop"


def test_a_photograph_is_restored_whole_beside_what_it_was(tmp_path: Path) -> None:
    written = restore_photographs(("bicubic",), tmp_path)
    assert [path.name for path in written] == ["astronaut.png", "group.png"]
    degraded, restored, sharp = np.split(read_image(written[0]), 3, axis=1)
    assert (degraded == restored).mean() > 0.8, "everything that is no face stays"
    assert (degraded != restored).any() and (sharp != degraded).any()


def test_a_detector_that_was_told_says_the_same_of_every_image() -> None:
    known = KnownFaces(tuple(face.shrunk(2) for face in photographs()[0].face))
    image = np.zeros((8, 8, 3), np.uint8)
    assert known.batch([image, image]) == [known(image), known(image)]
