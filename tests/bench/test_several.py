"""Restorers with more than one answer: a run for each, and what they say together."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bfrbench.bench import scorecard
from bfrbench.bench.inputs import seed_of_sample
from bfrbench.bench.several import curve, spread
from bfrbench.cli import main
from bfrbench.errors import InputError, UnknownName, UsageError
from tests.bench.test_command import board  # noqa: F401 - a fixture

METRICS = ("--metrics", "psnr", "ssim", "probe-sharpness")


def run(board: Path, out: Path, *more: str, ref: str = "undecided") -> int:  # noqa: F811
    words = ["run", ref, "--board", str(board), "--out", str(out), "--limit", "8", "--in-process", *METRICS]
    return main([*words, *more])


@pytest.fixture
def samples(board: Path, tmp_path: Path, faulty: Path, capsys: pytest.CaptureFixture[str]) -> tuple[Path, Any]:  # noqa: F811
    assert run(board, tmp_path / "s", "--samples", "3", "--json") == 0
    return tmp_path / "s", json.loads(capsys.readouterr().out)


def test_each_sample_has_a_scorecard_and_all_have_mean_and_spread(
    samples: tuple[Path, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    folder, told = samples
    cards = [scorecard.read(folder / f"sample-{one}") for one in range(3)]
    assert [card.results.restorer.sample for card in cards] == [0, 1, 2]
    values = [card.results.metrics["psnr"].value for card in cards]
    assert len(set(values)) == 3
    assert told["spread"]["psnr"]["mean"] == pytest.approx(np.mean(values))
    assert told["spread"]["psnr"]["deviation"] == pytest.approx(np.std(values, ddof=1))
    assert main(["scorecard", "spread", *(str(folder / f"sample-{one}") for one in range(3)), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"spread": told["spread"]}


def test_only_samples_of_one_restorer_have_a_spread(samples: tuple[Path, Any], board: Path, tmp_path: Path) -> None:  # noqa: F811
    first = scorecard.read(samples[0] / "sample-0")
    with pytest.raises(InputError, match="same sample"):
        spread([first, first])
    with pytest.raises(UsageError, match="two runs or more"):
        spread([first])
    assert run(board, tmp_path / "b", ref="bicubic") == 0
    with pytest.raises(InputError, match="not samples of one restorer"):
        spread([first, scorecard.read(tmp_path / "b")])


def test_operating_points_make_a_curve_and_beaten_ones_are_marked(
    board: Path,  # noqa: F811
    tmp_path: Path,
    faulty: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = tmp_path / "p"
    assert run(board, out, "--points", "0", "0.5", "1") == 0
    assert "measured nothing of perception" in capsys.readouterr().out
    runs = [str(out / f"point-{one}") for one in ("0", "0.5", "1")]
    assert main(["scorecard", "curve", *runs, "--perception", "probe-sharpness", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["curve"]
    cards = {card.results.restorer.point: card for card in map(scorecard.read, map(Path, runs))}
    for one in found["points"]:
        assert one["distortion"] == cards[one["point"]].results.metrics["psnr"].value
    assert [one["distortion"] for one in found["points"]] == sorted(o["distortion"] for o in found["points"])[::-1]
    both = curve(list(cards.values()), "psnr", "ssim")
    assert [one.dominated for one in both.points].count(False) >= 1
    with pytest.raises(UnknownName, match="did you mean ssim"):
        curve(list(cards.values()), "psnr", "sim")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--samples", "2"), "bicubic has one answer only"),
        (("--points", "0", "1"), "bicubic has no operating point"),
        (("--samples", "1"), "a spread needs two or more"),
        (("--points", "0.5"), "two or more that differ"),
        (("--samples", "2", "--points", "0", "1"), "one of them at a time"),
        (("--samples", "2", "--sample", "1"), "give --sample or --samples"),
        (("--sample", "-1"), "counted from 0"),
    ],
)
def test_what_a_restorer_does_not_have_is_not_asked_of_it(
    board: Path,  # noqa: F811
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    words: tuple[str, ...],
    sentence: str,
) -> None:
    assert run(board, tmp_path / "run", *words, ref="bicubic") == 2
    assert sentence in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_a_point_outside_of_what_a_restorer_has_is_refused(
    board: Path,  # noqa: F811
    tmp_path: Path,
    faulty: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(board, tmp_path / "run", "--point", "2") == 2
    assert "choose 0 to 1" in capsys.readouterr().err


def test_seeds_differ_from_sample_to_sample_and_the_first_keeps_the_images_own() -> None:
    assert seed_of_sample(7, 0) == 7
    assert len({seed_of_sample(seed, sample) for seed in (7, 8) for sample in range(50)}) == 100
