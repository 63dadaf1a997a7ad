"""The verification rate: its threshold, its interval with the threshold held fixed, and how it scales."""

from __future__ import annotations

import numpy as np
import pytest

from bfrbench.bench import rowtable
from bfrbench.bench.inputs import Prepared
from bfrbench.bench.intervals import measured
from bfrbench.bench.lenient import LenientScorer
from bfrbench.bench.restoring import Answer
from bfrbench.bench.rules import Breakdown, GateRule
from bfrbench.bench.scoring import Scoring
from bfrbench.bench.summary import summarise
from bfrbench.contracts import Row, Scored, Status
from bfrbench.gate.cells import Cell
from bfrbench.gate.distances import see_distances
from bfrbench.gate.pairing import Pairs
from bfrbench.gate.verdict import Seen
from bfrbench.metrics import Context, load_protocol
from bfrbench.metrics.fid import FrechetDistance
from bfrbench.metrics.identity import IdentityKind
from bfrbench.metrics.recognition_frechet import PAIR
from bfrbench.metrics.verification import VerificationRate, threshold
from bfrbench.stats import rate_estimate

METRIC = load_protocol("bfrbench-v1").metric("verification")
DIMENSIONS = 16


def unit(features: np.ndarray) -> np.ndarray:
    return (features / np.linalg.norm(features, axis=-1, keepdims=True)).astype("f4")


def faces(
    world: np.random.Generator, people: int, images: int, noise: float = 0.25
) -> tuple[list[Row], dict[str, str]]:
    """Rows of people of whom some are harder to restore than others."""
    centre = np.repeat(world.standard_normal((people, DIMENSIONS)), images, 0)
    truth = unit(centre + 0.5 * world.standard_normal(centre.shape))
    hard = np.repeat(world.gamma(4, noise / 4, people), images)[:, None]
    restored = unit(truth + hard * world.standard_normal(truth.shape))
    pairs = np.stack([restored, truth], 1)
    rows = [Row(f"i{index:05d}", "ok", float(pair[0] @ pair[1]), pair) for index, pair in enumerate(pairs)]
    return rows, {row.id: f"p{index // images}" for index, row in enumerate(rows)}


@pytest.mark.parametrize("false_accepts", [0.001, 0.01, 0.3, 0.999])
@pytest.mark.parametrize("block", [7, 64, 512])
def test_the_threshold_is_the_quantile_of_all_pairs_of_different_people(
    false_accepts: float, block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows, names = faces(np.random.default_rng(0), 50, 4)
    truth, people = np.stack([row.feature[1] for row in rows if row.feature is not None]), list(names.values())
    monkeypatch.setattr("bfrbench.metrics.verification._BLOCK", block)
    different = np.array(people)[:, None] != np.array(people)[None]
    other = (truth @ truth.T)[np.triu(different, 1)]
    limit, pairs = threshold(truth, people, false_accepts)
    assert pairs == len(other) and limit == pytest.approx(float(np.quantile(other, 1 - false_accepts)), abs=1e-6)


def test_two_people_set_a_threshold_and_one_does_not() -> None:
    pair = unit(np.random.default_rng(0).standard_normal((2, DIMENSIONS)))
    assert threshold(pair, ["a", "b"], 0.5)[0] == pytest.approx(float(pair[0] @ pair[1]), abs=1e-6)
    assert np.isnan(threshold(pair, ["a", "a"], 0.5)[0])


def test_the_interval_is_a_rates_with_the_threshold_held_and_people_counted() -> None:
    rows, names = faces(np.random.default_rng(1), 60, 5)
    rows += [Row("lost", "no_face")]
    context = Context(identities=names)
    finaliser = METRIC.kind.finaliser
    value = finaliser.value(finaliser.fold(rows), context)
    accepted = [float(row.value is not None and row.value > value.extra["threshold"]) for row in rows]
    expected = rate_estimate(accepted, [names.get(row.id) for row in rows])
    told = measured(METRIC, rows, context)
    assert told.value == pytest.approx(value.value) and value.value == pytest.approx(np.mean(accepted))
    assert (told.low, told.high) == pytest.approx((expected.interval.low, expected.interval.high), rel=1e-9)
    alone = rate_estimate(accepted).interval
    assert told.high - told.low > alone.high - alone.low, "images of one person are alike"


def test_an_interval_of_all_accepted_has_a_width() -> None:
    rows, names = faces(np.random.default_rng(2), 60, 5, noise=0.01)
    told = measured(METRIC, rows, Context(identities=names))
    assert told.value == 1 and told.high == pytest.approx(1) and told.low is not None and 0.9 < told.low < 1


def test_intervals_hold_the_rate_at_the_threshold_that_was_set() -> None:
    """A small version of the simulation of benchmarks/coverage.py."""
    many, _ = faces(np.random.default_rng(99), 40_000, 1)
    population = np.sort([row.value for row in many])
    held = []
    for seed in range(120):
        rows, names = faces(np.random.default_rng(seed), 80, 4)
        told = measured(METRIC, rows, Context(identities=names))
        truth = 1 - np.searchsorted(population, told.extra["threshold"], side="right") / len(population)
        assert told.low is not None and told.high is not None
        held.append(told.low <= truth <= told.high)
    assert 0.89 <= np.mean(held) <= 0.995


def test_parts_are_judged_at_the_threshold_of_the_whole_set() -> None:
    rows, names = faces(np.random.default_rng(3), 100, 3)
    rows[7] = Row(rows[7].id, "no_face")
    context = Context(identities=names)
    finaliser = METRIC.kind.finaliser
    over, numbers = finaliser.over(rows, context), finaliser.held(rows, context)
    assert numbers is not None and numbers[7] == 0
    assert over(np.arange(300)) == pytest.approx(finaliser.value(finaliser.fold(rows), context).value)
    assert over(np.arange(100)) == pytest.approx(numbers[:100].mean())
    left_out = VerificationRate("leave-out", 0.001)
    assert left_out.over(rows, context)(np.array([7])) != left_out.over(rows, context)(np.array([7]))  # NaN
    few = finaliser.over(rows[:20], context)
    assert np.isnan(few(np.arange(20))), "too few pairs to set a threshold"


def test_a_bin_is_judged_at_the_threshold_of_the_whole_set_as_in_the_gate() -> None:
    rows, names = faces(np.random.default_rng(5), 40, 4, noise=0.6)
    rows[3] = Row(rows[3].id, "no_face")
    images = [
        rowtable.ImageRow(row.id, "ok", "0", names[row.id], yaw=float(index % 40 - 5)) for index, row in enumerate(rows)
    ]
    breakdown = Breakdown(by="yaw", edges=(-100.0, 0.0, 100.0))
    table = rowtable.make(images, {METRIC.rows: rows})
    found = summarise(table, [METRIC], [breakdown], {})
    whole, context = found.metrics[METRIC.name], Context(identities=names)
    numbers, low = METRIC.kind.finaliser.held(rows, context), np.array([image.yaw < 0 for image in images])
    assert numbers is not None and whole.value == pytest.approx(numbers.mean())
    bins = [cell.metrics[METRIC.name] for cell in found.breakdowns if cell.n]
    assert [one.n for one in bins] == [20, 140] and [one.failed for one in bins] == [{"no_face": 1}, {}]
    for one, chosen in zip(bins, (low, ~low), strict=True):
        people = [names[row.id] for row, here in zip(rows, chosen, strict=True) if here]
        expected = rate_estimate(numbers[chosen], people).interval
        assert one.value == pytest.approx(numbers[chosen].mean()) and one.extra == whole.extra
        assert (one.low, one.high) == pytest.approx((expected.low, expected.high), rel=1e-9)


class Seen256:
    """Embeds a picture by its first 256 levels, whatever is in it."""

    def rows(self, batch: Scored) -> list[Row]:
        assert batch.gt is not None
        sides = [side.flatten(1)[:, :256].numpy() - 0.5 for side in (batch.restored, batch.gt)]
        pairs = unit(np.stack(sides, 1))
        return [Row(name, "ok", float(pair[0] @ pair[1]), pair) for name, pair in zip(batch.ids, pairs, strict=True)]


def scored_with(lost: list[int], monkeypatch: pytest.MonkeyPatch) -> list[Row]:
    """The rows of a run whose restorer fails on these of 60 images."""
    monkeypatch.setattr(IdentityKind, "open", lambda *_: Seen256())
    world = np.random.default_rng(0)
    truths, images = world.integers(0, 256, (2, 60, 16, 16, 3), dtype=np.uint8)
    prepared = [
        Prepared(f"i{index:02d}", truth, truth, None, "0", 0, None, None, None, None)
        for index, truth in enumerate(truths)
    ]
    statuses: list[Status] = ["timeout" if index in lost else "ok" for index in range(60)]
    scorer = LenientScorer(load_protocol("bfrbench-v1").only(["verification"]), available=("gt", "identity"))
    table = Scoring(scorer, "png", "cpu").table(prepared, Answer(images, tuple(statuses), 1.0))
    return list(rowtable.rows_of(table, scorer.metrics[0].rows))


def test_the_threshold_is_that_of_all_truths_whatever_a_restorer_fails_on(monkeypatch: pytest.MonkeyPatch) -> None:
    finaliser, told = METRIC.kind.finaliser, []
    for lost in ([], [3, 4, 40], list(range(30))):
        rows = scored_with(lost, monkeypatch)
        assert [index for index, row in enumerate(rows) if row.status == "timeout"] == lost
        assert all(
            row.feature is not None and row.feature.shape == (1 if index in lost else 2, 256)
            for index, row in enumerate(rows)
        )
        value = finaliser.value(finaliser.fold(rows), Context())
        assert value.failed == ({"timeout": len(lost)} if lost else {}) and value.n == 60
        halves = finaliser.merge(finaliser.fold(rows[:20]), finaliser.fold(rows[20:]))
        assert finaliser.value(halves, Context()) == value
        told.append(value.extra)
    assert told[0] == told[1] == told[2] and told[0]["other_pairs"] == 60 * 59 / 2


def test_distances_of_embeddings_leave_the_truth_of_a_failed_image_out(monkeypatch: pytest.MonkeyPatch) -> None:
    distance = FrechetDistance(None, "recognition-frechet", PAIR)
    rows = scored_with([3, 4], monkeypatch)
    alone = [row for row in rows if row.status == "ok"]
    value = distance.value(distance.fold(rows), Context())
    assert (value.value, value.n) == (distance.value(distance.fold(alone), Context()).value, 58)
    assert distance.over(rows, Context())(np.arange(60)) == pytest.approx(value.value)
    nothing = scored_with(list(range(60)), monkeypatch)
    assert np.isnan(distance.over(nothing, Context())(np.arange(60)))
    assert METRIC.kind.finaliser.value(METRIC.kind.finaliser.fold(nothing), Context()).value is None


def test_the_gate_charges_a_candidate_with_the_faces_that_are_not_found_any_more() -> None:
    rows, names = faces(np.random.default_rng(4), 150, 4)
    lost = [Row(row.id, "no_face") if index % 10 == 0 else row for index, row in enumerate(rows)]
    images = [rowtable.ImageRow(row.id, "ok", "0", identity=names[row.id]) for row in rows]
    sides = [rowtable.make(images, {METRIC.rows: side}) for side in (lost, rows)]
    cell = Cell(METRIC.name, None, None, GateRule(metric=METRIC.name, max_drop=0.01))
    asked = [(cell, METRIC, np.ones(len(rows), dtype=bool))]
    seen = see_distances(asked, load_protocol("bfrbench-v1"), Pairs(*sides), {}, 0.95)[cell]
    assert isinstance(seen, Seen) and seen.n == 600
    assert seen.low > 0.02 and seen.baseline - seen.candidate == pytest.approx(seen.drop)
