"""Many cells at once, and ranks."""

from __future__ import annotations

import numpy as np
import pytest

from bfrbench.errors import InputError, TooLittleMeasured
from bfrbench.stats import mean_estimate, mean_family, rank_means, split_level


def cells(world: np.random.Generator, images: int = 80, count: int = 16) -> np.ndarray:
    values = world.exponential(1, (images, count)) - 1
    values[world.uniform(size=values.shape) < 0.4] = np.nan
    return values


def test_a_family_of_16_equal_cells_alarms_about_once_in_twenty_and_single_tests_nearly_always() -> None:
    together, single = 0, 0
    for seed in range(60):
        values = cells(np.random.default_rng(seed))
        family = mean_family(values, seed=seed, resamples=1000)
        together += bool(((family.low > 0) | (family.high < 0)).any())
        alone = [mean_estimate(c[~np.isnan(c)], resamples=200).interval for c in values.T]
        single += any(i.low > 0 or i.high < 0 for i in alone)
    assert together / 60 <= 0.15
    assert single / 60 >= 0.4


def test_a_drop_of_one_and_a_half_times_the_smallest_visible_one_is_seen() -> None:
    seen = 0
    for seed in range(60):
        values = cells(np.random.default_rng(seed))
        family = mean_family(values, seed=seed, side="low", resamples=1000)
        values[:, 3] += 1.5 * family.visible()[3]
        seen += bool(mean_family(values, seed=seed + 500, side="low", resamples=1000).low[3] > 0)
    assert seen >= 57


def test_a_family_of_one_is_no_wider_than_a_single_interval_by_more_than_noise() -> None:
    values = np.random.default_rng(1).normal(size=100)
    family, alone = mean_family(values[:, None]), mean_estimate(values).interval
    assert family.high[0] - family.low[0] == pytest.approx(alone.high - alone.low, rel=0.08)


def test_one_small_wild_cell_does_not_widen_the_others() -> None:
    world = np.random.default_rng(2)
    values = world.normal(size=(200, 5))
    calm = mean_family(values).reach
    wild = np.column_stack([values, np.full(200, np.nan)])
    wild[:4, 5] = [0.0, 0.0, 0.1, 50.0]
    assert (mean_family(wild).reach[:5] <= 1.25 * calm).all()


def test_one_sided_bounds_lie_closer_and_leave_the_other_side_open() -> None:
    values = np.random.default_rng(3).normal(size=(100, 3))
    low, both, high = (mean_family(values, side=side) for side in ("low", "both", "high"))
    assert (low.low > both.low).all()
    assert np.isposinf(low.high).all()
    assert np.isneginf(high.low).all()


def test_a_cell_without_images_is_too_little_and_infinite_values_are_refused() -> None:
    with pytest.raises(TooLittleMeasured):
        mean_family(np.column_stack([np.arange(5.0), np.full(5, np.nan)]))
    with pytest.raises(InputError, match="infinite"):
        mean_family([[1.0], [np.inf]])


def test_parts_of_a_split_level_hold_together() -> None:
    assert split_level(0.95, 5) == pytest.approx(0.99)


def test_clear_winners_get_one_rank_and_equals_share_a_range() -> None:
    world = np.random.default_rng(4)
    hard = 5 * world.normal(size=(200, 1))
    values = hard + np.array([1.0, 1.0, 3.0, 0.0]) + 0.5 * world.normal(size=(200, 4))
    ranks = rank_means(values, higher_is_better=True)
    assert (ranks.best[2], ranks.worst[2]) == (1, 1)
    assert (ranks.best[3], ranks.worst[3]) == (4, 4)
    assert (ranks.best[0], ranks.worst[0]) == (ranks.best[1], ranks.worst[1]) == (2, 3)


def test_the_direction_of_a_metric_turns_the_ranks_round() -> None:
    values = np.random.default_rng(5).normal(size=(100, 3)) + np.array([0.0, 2.0, 4.0])
    up, down = (rank_means(values, higher_is_better=flag) for flag in (True, False))
    assert up.rank == (3, 2, 1)
    assert down.rank == (1, 2, 3)
    assert (up.better == down.better.T).all()


def test_identical_restorers_share_rank_one_and_a_single_one_has_it() -> None:
    column = np.random.default_rng(6).normal(size=50)
    ranks = rank_means(np.column_stack([column, column]), higher_is_better=True)
    assert (ranks.rank, ranks.best, ranks.worst) == ((1, 1), (1, 1), (2, 2))
    assert rank_means(column[:, None], higher_is_better=True).worst == (1,)
