"""What a rule makes of what was seen, also where there is nothing to see."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import pytest

from bfrbench.bench.rules import GateRule
from bfrbench.gate.cells import Cell
from bfrbench.gate.verdict import Judged, Seen, Verdict, decide

NAN = math.nan
CLEAR = Seen(n=600, baseline=2.0, candidate=1.9, drop=-0.1, low=-0.2, visible=0.01, gain_low=0.05)


def judged(seen: Seen, **rule: object) -> Judged:
    cell = Cell("fid-gt", None, None, GateRule.model_validate({"metric": "fid-gt", **rule}))
    return decide(cell, seen, ideal=None, higher_is_better=False, may_lose=0.0)


def verdict(*cells: Judged) -> Verdict:
    return Verdict("board", "after", "before", 0.95, cells)


@pytest.mark.parametrize("rule", [{"max_drop": 0.1}, {"max_gain": 0.01}, {"max_drop": 0.1, "max_gain": 0.01}])
def test_a_share_of_a_baseline_without_a_number_is_inconclusive_and_says_why(rule: dict[str, float]) -> None:
    cell = judged(replace(CLEAR, baseline=NAN), relative=True, **rule)
    assert cell.outcome == "inconclusive" and cell.allowed is None
    assert "the baseline has no number" in cell.why and "relative = false" in cell.why
    assert verdict(cell).outcome == "inconclusive"


def test_a_floor_and_lost_images_still_fail_without_a_baseline() -> None:
    unknown = replace(CLEAR, baseline=NAN)
    assert judged(unknown, relative=True, max_drop=0.1, floor=1.0).outcome == "regression"
    assert judged(unknown, relative=True, floor=3.0).outcome == "pass", "a floor is a share of nothing"
    assert judged(replace(unknown, lost=5), relative=True, max_drop=0.1).outcome == "regression"


def test_an_absolute_rule_asks_for_no_baseline() -> None:
    assert judged(replace(CLEAR, baseline=NAN), max_drop=0.1).outcome == "pass"


@pytest.mark.parametrize("rule", [{"max_drop": 0.1}, {"max_drop": 0.1, "relative": True}])
@pytest.mark.parametrize("name", ["drop", "low", "visible"])
def test_a_number_that_is_none_never_passes_and_never_reaches_the_output(rule: dict[str, object], name: str) -> None:
    cell = judged(replace(CLEAR, **{name: NAN}), **rule)
    assert cell.outcome == "inconclusive" and cell.why
    json.dumps(verdict(cell).dump(), allow_nan=False)


def test_a_cell_of_nothing_but_losses_can_be_printed() -> None:
    cell = judged(Seen(0, NAN, NAN, NAN, NAN, NAN, lost=700), relative=True, max_drop=0.1)
    assert cell.outcome == "regression" and "700 images" in cell.why
    json.dumps(verdict(cell).dump(), allow_nan=False)
