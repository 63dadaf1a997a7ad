"""Intervals of means, paired differences and rates."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from bfrbench.errors import InputError, NotComparable, TooLittleMeasured
from bfrbench.stats import aligned, mean_estimate, paired_estimate, rate_estimate


def skewed_people(world: np.random.Generator, people: int, each: int) -> tuple[np.ndarray, list[str]]:
    values = np.repeat(world.exponential(1, people) - 1, each) + world.exponential(1, people * each) - 1
    return values, [f"p{p}" for p in range(people) for _ in range(each)]


def test_a_95_percent_interval_holds_the_true_mean_of_few_skewed_people() -> None:
    right = 0
    for seed in range(400):
        values, people = skewed_people(np.random.default_rng(seed), 40, 5)
        interval = mean_estimate(values, people, seed=seed, resamples=500).interval
        right += interval.low <= 0 <= interval.high
    assert 0.92 <= right / 400 <= 0.98


def test_resampling_images_instead_of_people_is_visibly_too_narrow() -> None:
    values, people = skewed_people(np.random.default_rng(0), 100, 10)
    by_people, by_image = mean_estimate(values, people), mean_estimate(values)
    width = [e.interval.high - e.interval.low for e in (by_people, by_image)]
    assert width[0] > 1.8 * width[1]


def test_the_interval_agrees_with_scipys_bca_bootstrap_where_images_are_independent() -> None:
    values = np.random.default_rng(3).gamma(2, 1, 300)
    ours = mean_estimate(values, resamples=10_000).interval
    theirs = scipy.stats.bootstrap((values,), np.mean, rng=1, n_resamples=10_000).confidence_interval
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=0.02)


def test_the_standard_error_of_independent_images_is_the_textbooks() -> None:
    values = np.random.default_rng(4).normal(size=50)
    assert mean_estimate(values).error == pytest.approx(scipy.stats.sem(values), rel=1e-12)


def test_a_paired_interval_is_that_of_the_differences_and_ignores_hard_images() -> None:
    world = np.random.default_rng(5)
    hard = 10 * world.normal(size=200)
    after = hard + 0.5 + 0.1 * world.normal(size=200)
    interval = paired_estimate(after, hard).interval
    assert 0.45 < interval.low < interval.high < 0.55


def test_equal_outputs_give_exact_zeros() -> None:
    values = np.random.default_rng(6).normal(size=20)
    estimate = paired_estimate(values, values.copy())
    assert (estimate.value, estimate.interval.low, estimate.interval.high) == (0.0, 0.0, 0.0)


def test_the_same_seed_gives_the_same_interval_and_another_seed_another() -> None:
    values = np.random.default_rng(7).normal(size=30)
    assert mean_estimate(values, seed=1) == mean_estimate(values, seed=1)
    assert mean_estimate(values, seed=1).interval != mean_estimate(values, seed=2).interval


def test_the_interval_of_a_fixed_seed_is_the_same_on_every_machine() -> None:
    interval = mean_estimate(np.arange(20.0) ** 2, seed=11).interval
    assert (interval.low, interval.high) == pytest.approx((71.226743, 188.917447), abs=1e-5)


def test_images_whose_person_is_unknown_count_as_people_of_their_own() -> None:
    values = np.random.default_rng(8).normal(size=12)
    assert mean_estimate(values, [None] * 12).people == 12
    assert mean_estimate(values, ["a", "a", *[None] * 10]).people == 11


def test_a_rate_of_one_still_has_a_width() -> None:
    interval = rate_estimate(np.ones(1000)).interval
    assert 0.99 < interval.low < 0.9999
    assert interval.high == 1.0


def test_a_rate_of_independent_images_has_wilsons_interval() -> None:
    hits = np.array([1.0] * 45 + [0.0] * 19)
    ours = rate_estimate(hits).interval
    theirs = scipy.stats.binomtest(45, 64).proportion_ci(method="wilson")
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=2e-3)


@pytest.mark.parametrize(
    ("values", "error", "word"),
    [
        ([1.0], TooLittleMeasured, "1 image"),
        ([], TooLittleMeasured, "0 image"),
        ([1.0, float("nan")], InputError, "not finite"),
        ([1.0, float("inf")], InputError, "not finite"),
        ([[1.0], [2.0]], InputError, "shape"),
    ],
)
def test_what_gives_no_interval_says_why(values: list[float], error: type[Exception], word: str) -> None:
    with pytest.raises(error, match=word):
        mean_estimate(values)


def test_one_person_with_many_images_is_too_little() -> None:
    with pytest.raises(TooLittleMeasured, match="1 person"):
        mean_estimate([1.0, 2.0, 3.0], ["a", "a", "a"])


def test_a_level_outside_zero_and_one_and_a_rate_of_other_numbers_are_refused() -> None:
    with pytest.raises(InputError, match="95"):
        mean_estimate([1.0, 2.0], level=95)
    with pytest.raises(InputError, match="0 and 1"):
        rate_estimate([0.5, 1.0])


def test_sides_are_aligned_by_id_and_a_missing_id_is_named() -> None:
    ours, theirs = aligned(["b", "a", "c"], ["c", "b", "a"])
    assert [["b", "a", "c"][i] for i in ours] == [["c", "b", "a"][i] for i in theirs]
    with pytest.raises(NotComparable, match=r"1 only in the baseline \(first: d\)"):
        aligned(["a"], ["a", "d"])
    with pytest.raises(NotComparable, match="twice"):
        aligned(["a", "a"], ["a"])


@given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=40), st.integers(0, 2**31))
def test_any_finite_values_give_an_interval_that_is_ordered_and_finite(values: list[float], seed: int) -> None:
    interval = mean_estimate(values, seed=seed, resamples=100).interval
    assert np.isfinite([interval.low, interval.high]).all()
    assert interval.low <= interval.high
