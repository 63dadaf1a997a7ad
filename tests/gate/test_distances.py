"""Distances between distributions in the gate: the same images on both sides, and none judged on too few."""

from __future__ import annotations

import numpy as np
import pytest

from bfrbench.bench import rowtable
from bfrbench.bench.rules import GateRule
from bfrbench.contracts import Row
from bfrbench.gate.cells import Cell
from bfrbench.gate.distances import see_distances
from bfrbench.gate.pairing import Pairs
from bfrbench.gate.verdict import Seen, decide
from bfrbench.metrics import finalise, load_protocol

METRIC = "fid-gt"
DIMENSIONS = 2048


def features(count: int, seed: int, noise: float, failed: range = range(0)) -> list[Row]:
    """Pairs of features: the truth's, and the same with noise of its own seed; 16 dimensions carry everything."""
    truth = np.zeros((count, DIMENSIONS), np.float32)
    truth[:, :16] = np.random.default_rng(0).normal(size=(count, 16))
    restored = truth.copy()
    restored[:, :16] += noise * np.random.default_rng(seed).normal(size=(count, 16))
    return [
        Row(f"i{n:04d}", "error") if n in failed else Row(f"i{n:04d}", "ok", None, np.stack([restored[n], truth[n]]))
        for n in range(count)
    ]


def told(count: int, candidate: range, baseline: range, *parts: range) -> list[Seen | str]:
    """What is said of each part of the images when these fail on either side."""
    protocol = load_protocol("bfrbench-v1")
    metric = protocol.metric(METRIC)
    images = [rowtable.ImageRow(f"i{n:04d}", "ok", "0") for n in range(count)]
    sides = [rowtable.make(images, {metric.rows: features(count, 1, 0.5, failed)}) for failed in (candidate, baseline)]
    rule = GateRule(metric=METRIC, max_drop=0.01)
    cells = [Cell(METRIC, "yaw", str(part), rule) for part in parts]
    masks = [np.isin(np.arange(count), part) for part in parts]
    asked = [(cell, metric, mask) for cell, mask in zip(cells, masks, strict=True)]
    found = see_distances(asked, protocol, Pairs(*sides), {}, 0.95)
    return [found[cell] for cell in cells]


def seen(count: int, noise: float, *, max_gain: float | None = None) -> Seen | str:
    protocol = load_protocol("bfrbench-v1")
    metric = protocol.metric(METRIC)
    images = [rowtable.ImageRow(f"i{n:04d}", "ok", "0") for n in range(count)]
    sides = [rowtable.make(images, {metric.rows: features(count, *one)}) for one in ((1, noise), (2, 0.5))]
    cell = Cell(METRIC, None, None, GateRule(metric=METRIC, max_drop=0.01, max_gain=max_gain))
    asked = [(cell, metric, np.ones(count, dtype=bool))]
    return see_distances(asked, protocol, Pairs(*sides), {}, 0.95)[cell]


@pytest.mark.slow
def test_a_larger_distance_is_seen_and_a_reseeded_equal_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bfrbench.gate.distances.SUBSETS", 20)  # a bound of 20 subsets is rough, and quick
    worse, equal = seen(500, 0.7), seen(500, 0.5)
    assert isinstance(worse, Seen) and isinstance(equal, Seen)
    assert worse.drop > worse.low > 0
    assert worse.candidate - worse.baseline == pytest.approx(worse.drop)
    assert equal.low <= 0 and equal.visible < worse.drop


@pytest.mark.parametrize("name", ["kid-gt", "precision"])
def test_both_sides_of_a_large_set_show_the_number_itself_when_one_lost_an_image(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for where, small in (("kid.LARGEST", 30), ("kid_parts.LARGEST", 30), ("coverage_parts._BYTES", 2000)):
        monkeypatch.setattr(f"bfrbench.metrics.{where}", small)
    monkeypatch.setattr("bfrbench.gate.distances.SUBSETS", 8)
    monkeypatch.setattr("bfrbench.gate.distances.FEWEST_FOR_DISTANCE", 60)
    protocol = load_protocol("bfrbench-v1")
    metric = protocol.metric(name)
    images = [rowtable.ImageRow(f"i{n:04d}", "ok", "0") for n in range(90)]
    both = features(90, 1, 1.0, range(3)), features(90, 2, 1.0)
    pairs = Pairs(*(rowtable.make(images, {metric.rows: side}) for side in both))
    cell = Cell(name, None, None, GateRule(metric=name, max_drop=0.01))
    told = see_distances([(cell, metric, np.ones(90, dtype=bool))], protocol, pairs, {}, 0.95)[cell]
    candidate, baseline = (finalise(metric, side[3:]).value for side in both)
    assert isinstance(told, Seen) and (told.candidate, told.baseline) == (candidate, baseline)
    assert told.drop == (baseline - candidate if metric.higher_is_better else candidate - baseline)


def test_too_few_images_for_a_distance_are_told_so() -> None:
    said = seen(100, 0.5)
    assert isinstance(said, str) and "100 images are too few" in said


def test_images_that_neither_side_could_be_measured_on_are_none_to_judge_a_distance_by() -> None:
    (said,) = told(510, range(11), range(11), range(510))
    assert isinstance(said, str) and "499 images are too few" in said


def test_a_candidate_that_lost_too_many_images_to_be_judged_has_lost_those_of_its_own_bin_only() -> None:
    first, second = told(1010, range(11), range(0), range(505), range(505, 600))
    assert isinstance(first, Seen) and (first.n, first.lost) == (494, 11)
    rule = GateRule(metric=METRIC, max_drop=0.01)
    judged = decide(Cell(METRIC, "yaw", "x", rule), first, ideal=None, higher_is_better=False, may_lose=0.01)
    assert judged.outcome == "regression" and "11 images" in judged.why
    assert isinstance(second, str), "the bin beside it lost none, and is too small"


@pytest.mark.slow
def test_a_bin_is_not_charged_with_images_that_were_lost_in_another(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bfrbench.gate.distances.SUBSETS", 20)
    first, second = told(1010, range(5), range(0), range(505), range(505, 1010))
    assert isinstance(first, Seen) and isinstance(second, Seen)
    assert (first.n, first.lost, second.n, second.lost) == (500, 5, 505, 0)
