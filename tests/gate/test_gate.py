"""The gate: what is worse is found, what is not is left alone, what cannot be told is said."""

from __future__ import annotations

import json
import math
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
import pytest

from bfrbench.bench import rowtable, scorecard, sealed
from bfrbench.bench.board import load_board
from bfrbench.bench.rules import Breakdown, GateRule
from bfrbench.cli import main
from bfrbench.errors import ConfigError, NotComparable, UnknownName, UsageError
from bfrbench.gate import Side, judge
from bfrbench.gate.cells import cells_of
from bfrbench.gate.sides import board_of
from tests.gate.making import board_with, noisy, side

COUNT = 200
PSNR = {"metric": "psnr", "max_drop": 0.1}


def outcome(candidate: Side, baseline: Side, *rules: dict[str, object]) -> str:
    return judge(candidate, baseline, board_with(*rules)).outcome


def psnr_side(shift: float = 0.0, seed: int = 1, count: int = COUNT, **changes: object) -> Side:
    return side(board_with(PSNR), {"psnr": list(noisy(seed, count) + shift)}, **changes)  # type: ignore[arg-type]


def put(folder: Path, one: Side) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    sealed.write(folder / scorecard.ROWS, [one.rows], one.rows.schema)
    scorecard.write(folder / scorecard.FILE, one.card)
    return folder


def test_the_same_results_pass_with_nothing_left_to_chance() -> None:
    verdict = judge(psnr_side(), psnr_side(), board_with(PSNR))
    (cell,) = verdict.cells
    assert (verdict.outcome, cell.drop, cell.visible) == ("pass", 0.0, 0.0)


def test_a_reseeded_equal_passes_and_a_real_drop_does_not() -> None:
    assert outcome(psnr_side(seed=2), psnr_side(seed=1), {**PSNR, "max_drop": 0.15}) == "pass"
    assert outcome(psnr_side(-0.3, seed=2), psnr_side(seed=1), {**PSNR, "max_drop": 0.15}) == "regression"


def test_a_drop_within_what_is_allowed_passes_even_when_it_is_sure() -> None:
    verdict = judge(psnr_side(-0.05), psnr_side(), board_with(PSNR))
    assert verdict.outcome == "pass"
    assert verdict.cells[0].low == pytest.approx(0.05)


def test_too_few_images_for_what_is_allowed_are_inconclusive() -> None:
    verdict = judge(psnr_side(seed=2, count=20), psnr_side(seed=1, count=20), board_with({**PSNR, "max_drop": 0.01}))
    assert verdict.outcome == "inconclusive"
    assert verdict.cells[0].visible is not None and verdict.cells[0].visible > 0.01


def test_a_clear_gain_passes_however_few_the_images() -> None:
    few = psnr_side(2.0, seed=2, count=20), psnr_side(seed=1, count=20)
    assert outcome(*few, {**PSNR, "max_drop": 0.01}) == "pass"


def test_lower_is_better_turns_the_drop_around() -> None:
    rule = {"metric": "probe-shift", "max_drop": 0.05}
    still, moved = ({"probe-shift": [0.1 + shift + 0.001 * (n % 7) for n in range(COUNT)]} for shift in (0.0, 0.2))
    board = board_with(rule)
    assert judge(side(board, moved), side(board, still), board).outcome == "regression"
    assert judge(side(board, still), side(board, moved), board).outcome == "pass"


def test_a_number_with_an_ideal_is_worse_on_either_side_of_it() -> None:
    board = board_with({"metric": "probe-level", "max_drop": 0.25})
    jitter = np.random.default_rng(5).normal(0, 0.05, COUNT)
    level = {shift: side(board, {"probe-level": list(shift + jitter)}) for shift in (-1.0, -0.2, 0.2, 1.0)}
    for shift in (-1.0, 1.0):
        assert judge(level[shift], level[0.2], board).outcome == "regression", shift
    crossed = judge(level[-0.2], level[0.2], board)
    assert crossed.outcome == "pass", "as far from the ideal as before"
    assert judge(level[0.2], level[1.0], board).outcome == "pass"


def test_a_share_of_the_baseline_can_be_allowed() -> None:
    assert outcome(psnr_side(-0.2), psnr_side(), {"metric": "psnr", "max_drop": 0.01, "relative": True}) == "pass"
    assert outcome(psnr_side(-0.3), psnr_side(), {"metric": "psnr", "max_drop": 0.01, "relative": True}) == "regression"


def test_a_floor_holds_whatever_the_baseline() -> None:
    assert outcome(psnr_side(), psnr_side(), {"metric": "psnr", "floor": 30.0}) == "regression"
    assert outcome(psnr_side(), psnr_side(), {"metric": "psnr", "floor": 20.0}) == "pass"


def test_a_gain_too_good_to_be_true_is_not_believed() -> None:
    verdict = judge(psnr_side(3.0), psnr_side(), board_with({**PSNR, "max_gain": 1.0}))
    assert [cell.outcome for cell in verdict.cells] == ["suspicious"]
    assert verdict.outcome == "regression"


def test_a_drop_in_one_bin_alone_is_found_there() -> None:
    rules = ({"metric": "psnr", "max_drop": 0.5}, {"metric": "psnr", "breakdown": "yaw", "max_drop": 0.5})
    board = board_with(*rules)
    good = noisy(1, COUNT)
    turned = np.array([number % 4 < 2 for number in range(COUNT)])
    bad = judge(side(board, {"psnr": list(good - 0.8 * turned)}), side(board, {"psnr": list(good)}), board)
    assert {cell.place: cell.outcome for cell in bad.cells} == {
        "all": "pass",
        "yaw <0": "regression",
        "yaw >=0": "pass",
    }


def test_one_image_that_comes_back_unrestored_is_a_fact_and_not_a_matter_of_chance() -> None:
    rule = {"metric": "probe-unchanged", "max_drop": 0.0}
    none, one = (side(board_with(rule), {"probe-unchanged": [0.0] * 63 + [last]}, people=8) for last in (0.0, 1.0))
    assert outcome(one, none, rule) == "regression"
    assert outcome(none, none, rule) == outcome(one, one, rule) == outcome(none, one, rule) == "pass"
    assert outcome(one, none, {**rule, "max_drop": 0.05}) == "pass"


def test_images_that_are_lost_count_against_the_candidate() -> None:
    board = board_with({"metric": "probe-level", "max_drop": 0.25}, max_failures=0.05)
    whole: list[float | None] = [0.01 * (number % 5) for number in range(COUNT)]
    lost = [None if number < 11 else value for number, value in enumerate(whole)]
    verdict = judge(side(board, {"probe-level": lost}, status="complete"), side(board, {"probe-level": whole}), board)
    assert verdict.cells[0].outcome == "regression" and "11 images" in verdict.cells[0].why


def test_an_oracle_that_no_longer_equals_the_truth_is_a_regression() -> None:
    board = board_with(PSNR)
    perfect = side(board, {"psnr": [math.inf] * COUNT})
    assert judge(side(board, {"psnr": [70.0] * COUNT}), perfect, board).outcome == "regression"


def test_a_failed_run_fails_and_a_failed_baseline_does_not_compare() -> None:
    failed = psnr_side(status="failed", failures={"error": 9})
    (problem,) = judge(failed, psnr_side(), board_with(PSNR)).problems
    assert problem == "the run failed: 9 of 200 images failed (9 error) and the board allows 0.00%"
    with pytest.raises(NotComparable, match="failed"):
        judge(psnr_side(), failed, board_with(PSNR))


def test_a_run_that_failed_by_a_metric_says_so() -> None:
    whole = psnr_side()
    psnr = whole.card.results.metrics["psnr"].model_copy(update={"failed": {"error": COUNT}})
    (problem,) = judge(psnr_side(status="failed", metrics={"psnr": psnr}), whole, board_with(PSNR)).problems
    assert "200 of 200 images failed (psnr raised on 200)" in problem


def test_two_boards_do_not_compare() -> None:
    with pytest.raises(NotComparable):
        judge(psnr_side(), psnr_side(board_digest="1" * 64), board_with(PSNR))


def test_few_people_with_many_images_are_few() -> None:
    verdict = judge(psnr_side(seed=2, people=5), psnr_side(seed=1, people=5), board_with(PSNR))
    assert verdict.outcome == "inconclusive" and "5 people" in verdict.cells[0].why


def test_the_most_specific_rule_wins() -> None:
    rules = [
        GateRule(metric="*", max_drop=1),
        GateRule(metric="psnr", max_drop=2),
        GateRule(metric="*", breakdown="yaw", bin="<0", max_drop=3),
        GateRule(metric="psnr", breakdown="yaw", max_drop=4),
    ]
    cells = cells_of(rules, ["psnr", "ssim"], [Breakdown(by="yaw", edges=(0.0,))])
    found = {(cell.metric, cell.place): cell.rule.max_drop for cell in cells}
    assert found == {
        ("psnr", "all"): 2,
        ("psnr", "yaw <0"): 4,
        ("psnr", "yaw >=0"): 4,
        ("ssim", "all"): 1,
        ("ssim", "yaw <0"): 3,
    }


def test_rules_that_contradict_or_name_nothing_are_refused() -> None:
    with pytest.raises(ConfigError, match="two gate rules"):
        cells_of([GateRule(metric="psnr", max_drop=1), GateRule(metric="psnr", floor=2)], ["psnr"], [])
    with pytest.raises(UnknownName, match="pnsr"):
        cells_of([GateRule(metric="pnsr", max_drop=1)], ["psnr"], [])
    with pytest.raises(UsageError, match="no rules"):
        judge(psnr_side(), psnr_side(), board_with())


def test_the_command_exits_with_what_it_found(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rules = tmp_path / "board.toml"
    rules.write_text(
        'name = "numbers"\ntitle = "n"\nsummary = "n"\ndataset = "numbers"\nsize = 64\ndegradation = "given"\n'
        'protocol = "basic-v1"\n[[gate]]\nmetric = "psnr"\nmax_drop = 0.1\n'
    )
    base, same, worse = (put(tmp_path / name, psnr_side(shift)) for name, shift in (("b", 0), ("s", 0), ("w", -1)))
    end = ["--baseline", str(base), "--rules", str(rules)]
    assert main(["gate", str(same), *end]) == 0
    assert main(["gate", str(worse), *end, "--json"]) == 1
    said = capsys.readouterr()
    assert json.loads(said.out[said.out.index("{") :])["outcome"] == "regression"
    assert said.err.count("\n") == 1 and "psnr" in said.err
    assert main(["gate", str(worse), *end, "--junit"]) == 1
    suite = ET.fromstring(capsys.readouterr().out)
    assert (suite.get("tests"), suite.get("failures")) == ("1", "1")
    assert main(["gate", str(worse), *end, "--md"]) == 1
    assert "| WORSE | psnr |" in capsys.readouterr().out
    few = put(tmp_path / "few", psnr_side(seed=2, count=20))
    few_base = put(tmp_path / "few-base", psnr_side(seed=1, count=20))
    end[1] = str(few_base)
    assert main(["gate", str(few), *end]) == 4
    assert main(["gate", str(few), *end, "--inconclusive", "0"]) == 0
    assert main(["gate", str(few), "--baseline", str(base), "--rules", str(rules)]) == 3


def test_the_rules_are_those_of_the_board_that_was_run(tmp_path: Path) -> None:
    """Also where a shipped board has its name: rules are in no digest."""
    card = psnr_side().card
    board = load_board("studio-ci")
    rules = (GateRule(metric="psnr", max_drop=50.0),)
    own = board.model_copy(update={"gate": rules})
    results = card.results.model_copy(update={"board": "studio-ci"})
    card = card.model_copy(update={"results": results})
    assert board_of(tmp_path, card).gate == board.gate
    (tmp_path / "manifest.json").write_text(json.dumps({"choices": {"board": own.model_dump(mode="json")}}))
    assert board_of(tmp_path, card).gate == rules


def test_a_baseline_is_replaced_with_its_rows(tmp_path: Path) -> None:
    run, place = put(tmp_path / "run", psnr_side()), tmp_path / "baseline.json"
    assert main(["gate", str(run), "--baseline", str(place), "--update-baseline"]) == 0
    assert scorecard.read(place) == scorecard.read(run)
    stored = sealed.read(place.with_suffix(".parquet"))
    assert rowtable.digest_of([stored]) == scorecard.read(run).results.rows_digest
    partial = put(tmp_path / "partial", psnr_side(status="partial", total=COUNT + 1))
    assert main(["gate", str(partial), "--baseline", str(place), "--update-baseline"]) == 2


def test_rows_that_are_missing_or_of_another_run_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    base, other = put(tmp_path / "b", psnr_side()), put(tmp_path / "o", psnr_side(-1))
    (other / "rows.parquet").write_bytes((base / "rows.parquet").read_bytes())
    assert main(["gate", str(other), "--baseline", str(base)]) == 2
    (other / "rows.parquet").unlink()
    assert main(["gate", str(other), "--baseline", str(base)]) == 2
    said = capsys.readouterr().err
    assert "not the rows" in said and "missing" in said
