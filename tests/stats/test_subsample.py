"""Intervals of distances between distributions."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.linalg import sqrtm

from bfrbench.errors import InputError, TooLittleMeasured
from bfrbench.stats import rank_distances, subsample, subsample_estimate

DIMENSIONS = 6


def distance(features: np.ndarray) -> float:
    """The Fréchet distance to the standard normal distribution."""
    cov = np.cov(features, rowvar=False)
    return float(
        (features.mean(0) ** 2).sum() + np.trace(cov) + DIMENSIONS - 2 * np.sqrt(np.linalg.eigvalsh(cov)).sum()
    )


def test_the_distance_of_these_tests_is_frechets() -> None:
    features = np.random.default_rng(0).normal(size=(50, DIMENSIONS)) + 0.3
    cov = np.cov(features, rowvar=False)
    expected = (features.mean(0) ** 2).sum() + np.trace(cov + np.eye(DIMENSIONS) - 2 * sqrtm(cov).real)
    assert distance(features) == pytest.approx(expected, rel=1e-9)


def test_a_95_percent_interval_holds_the_distance_at_that_number_of_images_and_a_bootstrap_does_not() -> None:
    world = np.random.default_rng(1)
    truth = np.mean([distance(world.normal(size=(60, DIMENSIONS)) + 0.2) for _ in range(3000)])
    ours, naive = 0, 0
    for seed in range(100):
        features = world.normal(size=(60, DIMENSIONS)) + 0.2
        interval = subsample_estimate(lambda at, f=features: distance(f[at]), 60, seed=seed, resamples=100).interval
        ours += interval.low <= truth <= interval.high
        drawn = [distance(features[world.integers(60, size=60)]) for _ in range(100)]
        naive += np.quantile(drawn, 0.025) <= truth <= np.quantile(drawn, 0.975)
    assert 0.90 <= ours / 100 <= 0.99
    assert naive / 100 < 0.8


def test_the_interval_contains_the_point_estimate_although_subsets_are_biased() -> None:
    features = np.random.default_rng(2).normal(size=(80, DIMENSIONS))
    estimate = subsample_estimate(lambda at: distance(features[at]), 80)
    assert estimate.interval.low < estimate.value == distance(features) < estimate.interval.high


def test_a_value_that_is_known_is_the_centre_of_what_estimates_deviate_by() -> None:
    features = np.random.default_rng(2).normal(size=(80, DIMENSIONS))
    plain = subsample_estimate(lambda at: distance(features[at]), 80)
    moved = subsample_estimate(lambda at: distance(features[at]) + 7, 80, whole=plain.value)
    assert moved.value == plain.value and moved.interval.low == pytest.approx(plain.interval.low)


def test_the_spread_of_a_mean_is_its_textbook_error_for_any_fraction() -> None:
    values = np.random.default_rng(3).normal(size=400)
    for fraction in (0.3, 0.5, 0.8):
        drawn = subsample(lambda at: [float(values[at].mean())], 400, fraction=fraction, resamples=2000)
        assert drawn.errors[0] == pytest.approx(values.std(ddof=1) / 20, rel=0.08)


def test_people_stay_whole_in_every_subset() -> None:
    people = [f"p{i // 3}" for i in range(60)]
    seen: list[np.ndarray] = []
    subsample(lambda at: [float(seen.append(at) is None)], 60, people, resamples=20)
    for positions in seen[1:]:
        assert len(positions) == 30
        assert all(set(range(3 * (p // 3), 3 * (p // 3) + 3)) <= set(positions.tolist()) for p in positions)


def test_too_few_people_and_a_distance_that_is_nan_are_errors() -> None:
    with pytest.raises(TooLittleMeasured, match="4 people"):
        subsample_estimate(lambda at: 1.0, 8, ["a", "b", "c", "d"] * 2)
    with pytest.raises(InputError, match="nan"):
        subsample_estimate(lambda at: float("nan"), 20)
    with pytest.raises(TooLittleMeasured, match="a part of 10 of 20 images has no distance"):
        subsample_estimate(lambda at: 1.0 if len(at) == 20 else float("nan"), 20)
    with pytest.raises(InputError, match="fraction"):
        subsample_estimate(lambda at: 1.0, 20, fraction=1.0)


def test_restorers_are_ranked_by_distance_on_the_same_images() -> None:
    world = np.random.default_rng(4)
    base = world.normal(size=(150, DIMENSIONS))
    sets = [base + 0.5, base + 0.52 + 0.02 * world.normal(size=base.shape), base + 1.5]
    ranks = rank_distances(lambda at: [distance(s[at]) for s in sets], 150, resamples=100)
    assert (ranks.rank[2], ranks.best[2], ranks.worst[2]) == (3, 3, 3)
    assert ranks.better[0, 2]
    assert ranks.better[1, 2]
