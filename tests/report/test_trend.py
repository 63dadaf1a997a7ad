"""Metrics along a label: the numbers are the rows' own, the intervals the statistics' own."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bfrbench.bench.plan import Settings, make_plan
from bfrbench.bench.run import execute
from bfrbench.bench.stage import open_stage
from bfrbench.cli import main
from bfrbench.errors import InputError
from bfrbench.report.runs import Runs, open_runs
from bfrbench.report.trend import points
from bfrbench.stats.means import mean_estimate
from tests.report.conftest import COUNT, Made


def labelled(made: Made, values: list[float | None], people: list[str | None] | None = None) -> Runs:
    """The two runs, as if their images had these yaw angles."""
    runs = open_runs([made.input, made.bicubic])
    runs.__dict__["labels"] = {"yaw": values, **({} if people is None else {"identity": people})}
    return runs


def test_along_severity_every_image_is_counted_once_and_the_mean_is_the_boards(made: Made, tmp_path: Path) -> None:
    runs = [str(made.input), str(made.bicubic)]
    assert main(["figure", *runs, "--against", "severity", "--metric", "psnr", "-o", str(tmp_path / "along")]) == 0
    with (tmp_path / "along.csv").open() as file:
        rows = list(csv.DictReader(file))
    whole = open_runs([made.input, made.bicubic])
    for run in whole.runs:
        own = [row for row in rows if row["restorer"] == run.name]
        assert len(own) > 1 and sum(int(row["images"]) for row in own) == COUNT
        mean = sum(float(row["mean"]) * int(row["images"]) for row in own) / COUNT
        assert mean == pytest.approx(run.side.card.results.metrics["psnr"].value, rel=1e-4)
    assert (tmp_path / "along.pdf").read_bytes().startswith(b"%PDF")
    with Image.open(tmp_path / "along.png") as picture:
        assert len(np.unique(np.asarray(picture.convert("L")))) > 20


def test_left_and_right_count_alike_and_a_grid_keeps_its_angles(made: Made) -> None:
    angles = [-30.0, 30.0, 0.0, None] * (COUNT // 4)
    runs = labelled(made, list(angles), [str(index) for index in range(COUNT)])
    found = [point for point in points(runs, "yaw", ["psnr"]) if point.run == "bicubic"]
    assert [(point.at, point.images) for point in found] == [(0.0, COUNT // 4), (30.0, COUNT // 2)]
    column = runs.column(runs.runs[1], "psnr")
    turned = [index for index, angle in enumerate(angles) if angle in (-30.0, 30.0)]
    estimate = mean_estimate([column[index] for index in turned], [str(index) for index in turned])
    assert found[1].value == pytest.approx(estimate.value)
    assert (found[0].low, found[1].low) == (None, pytest.approx(estimate.interval.low))


def test_many_angles_fall_into_cells_of_15_degrees(made: Made) -> None:
    runs = labelled(made, [float(-index) for index in range(COUNT)])
    found = [point for point in points(runs, "yaw", ["psnr"]) if point.run == "input"]
    assert [(point.at, point.images) for point in found] == [(7.5, 15), (22.5, COUNT - 15)]


def test_images_without_a_number_are_counted_as_left_out(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = Runs.column
    monkeypatch.setattr(Runs, "column", lambda self, run, name: [None, *whole(self, run, name)[1:]])
    first = points(labelled(made, [0.0] * COUNT), "yaw", ["psnr"])[0]
    assert (first.images, first.left_out) == (COUNT - 1, 1)


def test_a_run_whose_values_are_all_infinite_has_no_line(made: Made, tmp_path: Path) -> None:
    oracle = tmp_path / "oracle"
    stage = open_stage(made.board, metrics=("psnr", "probe-level"))
    execute(make_plan("oracle", stage, Settings(out=oracle, threads=1)))
    runs = [made.input, oracle]
    assert (
        main(["figure", *map(str, runs), "--against", "severity", "--metric", "psnr", "-o", str(tmp_path / "f")]) == 0
    )
    assert (tmp_path / "f.pdf").is_file() and "oracle" not in (tmp_path / "f.csv").read_text()
    with pytest.raises(InputError, match="'psnr' has no finite value along severity"):
        points(open_runs([oracle]), "severity", ["psnr"])


def test_labels_and_metrics_that_are_not_there_are_named(made: Made, capsys: pytest.CaptureFixture[str]) -> None:
    runs = open_runs([made.input])
    with pytest.raises(InputError, match="no label 'yaw'; labels they have: severity"):
        points(runs, "yaw", ["psnr"])
    with pytest.raises(InputError, match="no metric 'lpips'"):
        points(runs, "severity", ["lpips"])
    assert main(["figure", str(made.input), "--against", "severity"]) == 2
    assert "no metric was named; name some with --metric: psnr" in capsys.readouterr().err
    assert main(["figure", str(made.input), "--against", "severity", "--ids", "a"]) == 2
    assert main(["figure", str(made.input), "--ids", "a", "--metric", "psnr", "--metric", "ssim"]) == 2
