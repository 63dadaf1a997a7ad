"""Scorecards: one published form, nothing altered unseen, and comparisons only of what compares."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import bfrbench
from bfrbench.bench import scorecard
from bfrbench.bench.comparing import differences, surroundings
from bfrbench.bench.plan import make_plan
from bfrbench.bench.run import execute
from bfrbench.bench.scorecard import Scorecard
from bfrbench.bench.settings import Settings
from bfrbench.cli import main
from bfrbench.errors import InputError, NotComparable, UsageError
from tests.bench.noise import noise_stage


def run(folder: Path, restorer: str = "input", count: int = 10, **board: object) -> Scorecard:
    stage = noise_stage(count, metrics=("psnr", "probe-level"), **board)
    return execute(make_plan(restorer, stage, Settings(out=folder)))


def test_the_published_schema_is_the_one_in_use() -> None:
    published = json.loads(scorecard.SCHEMA_FILE.read_text())
    assert published == scorecard.json_schema(), "write it anew: bfrbench scorecard schema"


def test_a_scorecard_meets_the_published_schema(tmp_path: Path) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    run(tmp_path / "run")
    written = json.loads((tmp_path / "run" / "scorecard.json").read_text())
    schema = json.loads(scorecard.SCHEMA_FILE.read_text())
    jsonschema.validate(written, schema)
    del written["results"]["board_digest"]
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(written, schema)


def test_a_scorecard_comes_back_as_it_was_written(tmp_path: Path) -> None:
    card = run(tmp_path / "run")
    assert scorecard.read(tmp_path / "run") == card


@pytest.mark.parametrize("key", ["images", "board_digest", "status", "rows_digest"])
def test_whatever_is_altered_in_the_results_is_refused(key: str, tmp_path: Path) -> None:
    run(tmp_path / "run")
    path = tmp_path / "run" / "scorecard.json"
    data = json.loads(path.read_text())
    data["results"][key] = {"images": 11, "status": "partial"}.get(key, "0" * 64)
    path.write_text(json.dumps(data))
    with pytest.raises(UsageError, match="altered"):
        scorecard.read(path)


def test_another_schema_version_is_one_sentence(tmp_path: Path) -> None:
    run(tmp_path / "run")
    path = tmp_path / "run" / "scorecard.json"
    path.write_text(path.read_text().replace('"schema_version": "1"', '"schema_version": "7"'))
    with pytest.raises(InputError, match="schema version '7'"):
        scorecard.read(path)


def test_two_restorers_on_one_board_compare(tmp_path: Path) -> None:
    first, second = run(tmp_path / "a"), run(tmp_path / "b", "bicubic")
    found = {(one.metric, one.breakdown): one for one in differences(first, second)}
    psnr = found["psnr", "all"]
    assert psnr.second is not None and psnr.first is not None
    assert psnr.better == (psnr.second > psnr.first)
    assert ("restorer.id", "input", "bicubic") in surroundings(first, second)


def test_the_better_of_two_probes_is_the_one_nearer_to_its_ideal(tmp_path: Path) -> None:
    from bfrbench.bench.comparing import goodness

    probe = run(tmp_path / "a").results.metrics["probe-level"]
    assert probe.ideal == 0
    assert goodness(probe, -0.1) > goodness(probe, 0.5) > goodness(probe, -0.6)


@pytest.mark.parametrize(
    ("board", "count", "reason"),
    [({"seed": 5}, 10, "boards differ"), ({"codec": "jpeg:50"}, 10, "boards differ"), ({}, 12, "12")],
)
def test_what_rests_on_other_choices_does_not_compare(
    board: dict[str, object], count: int, reason: str, tmp_path: Path
) -> None:
    first = run(tmp_path / "a")
    second = run(tmp_path / "b", count=count, **board)
    with pytest.raises(NotComparable, match=reason):
        differences(first, second)


def test_a_lossy_codec_costs_what_it_costs(tmp_path: Path) -> None:
    kept, squeezed = run(tmp_path / "a"), run(tmp_path / "b", codec="jpeg:5")
    before, after = kept.results.metrics["psnr"].value, squeezed.results.metrics["psnr"].value
    assert before is not None and after is not None and after < before - 1


def test_scorecards_become_one_table(tmp_path: Path) -> None:
    run(tmp_path / "runs" / "a")
    run(tmp_path / "runs" / "b", "bicubic")
    cards = bfrbench.load_scorecards(tmp_path / "runs")
    frame = cards.to_pandas()
    whole = frame[(frame["metric"] == "psnr") & (frame["bin"] == "all")]
    assert sorted(whole["restorer"]) == ["bicubic", "input"]
    assert whole["value"].notna().all()
    with pytest.raises(InputError, match="holds no scorecard"):
        bfrbench.load_scorecards(tmp_path)[5:] or bfrbench.load_scorecards(tmp_path / "runs" / "a" / "rows")


def test_the_commands_show_validate_and_compare(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(tmp_path / "a")
    run(tmp_path / "b", "bicubic")
    run(tmp_path / "c", seed=9)
    assert main(["scorecard", "show", str(tmp_path / "a"), "--breakdowns"]) == 0
    assert "input on noise: complete" in capsys.readouterr().out
    assert main(["scorecard", "validate", str(tmp_path)]) == 0
    assert capsys.readouterr().out.count("sound") == 3
    assert main(["scorecard", "diff", str(tmp_path / "a"), str(tmp_path / "b"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["same_results"] is False
    assert main(["scorecard", "diff", str(tmp_path / "a"), str(tmp_path / "c")]) == 3
    (tmp_path / "b" / "rows.parquet").unlink()
    assert main(["scorecard", "validate", str(tmp_path / "b")]) == 2
    assert "rows" in capsys.readouterr().out


def test_a_number_that_does_not_follow_from_the_rows_is_found(tmp_path: Path) -> None:
    from bfrbench.bench.checking import scorecard_problems

    card = run(tmp_path / "run")
    better = card.results.metrics["psnr"].model_copy(update={"value": 99.0})
    results = card.results.model_copy(update={"metrics": {**card.results.metrics, "psnr": better}})
    forged = card.model_copy(update={"results": results, "results_digest": scorecard.digest_of(results)})
    scorecard.write(tmp_path / "run" / "scorecard.json", forged)
    assert any("psnr is 99.0" in problem for problem in scorecard_problems(tmp_path / "run")[1])
