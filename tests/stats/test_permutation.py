"""Tests by exchanging labels."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from bfrbench.errors import InputError
from bfrbench.stats import kid_difference_test, kid_exchange_test, label_swap_test, sign_flip_test
from bfrbench.stats.permutation import kid_kernel


def paired_features(seed: int, shift: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    world = np.random.default_rng(seed)
    truth = world.normal(size=(40, 8))
    return truth + 0.3 * world.normal(size=truth.shape) + shift, truth + 0.3 * world.normal(size=truth.shape)


def kid(a: np.ndarray, b: np.ndarray) -> float:
    """The unbiased KID, written out."""
    n, m = len(a), len(b)
    same = (kid_kernel(a, a).sum() - np.trace(kid_kernel(a, a))) / (n * (n - 1))
    other = (kid_kernel(b, b).sum() - np.trace(kid_kernel(b, b))) / (m * (m - 1))
    return float(same + other - 2 * kid_kernel(a, b).mean())


def test_every_labelling_of_a_small_sign_flip_test_is_as_enumerated() -> None:
    values = np.array([0.3, -0.1, 0.8, 0.4, 0.9, 0.2, -0.05, 0.6])
    means = [abs((values * s).mean()) for s in itertools.product((-1, 1), repeat=8)]
    exact = np.mean([m >= abs(values.mean()) - 1e-12 for m in means])
    assert sign_flip_test(values, resamples=20_000).p_value == pytest.approx(exact, abs=0.01)


def test_kid_difference_is_the_difference_of_two_kids_also_after_an_exchange() -> None:
    first, second = paired_features(0, 0.4)
    reference = np.random.default_rng(9).normal(size=(30, 8))
    found = kid_difference_test(first, second, reference, resamples=10)
    assert found.statistic == pytest.approx(kid(first, reference) - kid(second, reference), rel=1e-9)
    swapped = kid_difference_test(second, first, reference, resamples=10)
    assert swapped.statistic == pytest.approx(-found.statistic, rel=1e-9)


def test_kid_exchange_by_quadratic_form_is_the_same_as_swapping_features() -> None:
    first, second = paired_features(1, 0.2)
    people = [f"p{i // 4}" for i in range(40)]

    def statistic(mask: np.ndarray) -> float:
        a, b = np.where(mask[:, None], second, first), np.where(mask[:, None], first, second)
        form = kid_kernel(a, a) + kid_kernel(b, b) - kid_kernel(a, b) - kid_kernel(b, a)
        return float((form.sum() - np.trace(form)) / (len(a) * (len(a) - 1)))

    slow = label_swap_test(statistic, 40, people, seed=3, resamples=200)
    fast = kid_exchange_test(first, second, people, seed=3, resamples=200)
    assert fast.statistic == pytest.approx(slow.statistic, rel=1e-9)
    assert fast.p_value == pytest.approx(slow.p_value)


def test_equals_alarm_at_five_percent_and_a_shift_is_seen() -> None:
    alarms = [
        kid_exchange_test(*paired_features(seed), seed=seed, resamples=199).p_value <= 0.05 for seed in range(300)
    ]
    assert 0.02 <= np.mean(alarms) <= 0.085
    assert kid_exchange_test(*paired_features(0, 0.3), resamples=999).p_value == pytest.approx(0.001)


def test_identical_sides_never_alarm() -> None:
    first, _ = paired_features(2)
    assert kid_exchange_test(first, first.copy()).p_value == 1.0
    assert sign_flip_test(np.zeros(10)).p_value == 1.0


def test_unequal_or_broken_features_are_refused() -> None:
    first, second = paired_features(3)
    with pytest.raises(InputError, match="same images"):
        kid_exchange_test(first, second[:-1])
    with pytest.raises(InputError, match="not finite"):
        kid_exchange_test(first, np.where(second > 1, np.nan, second))
    with pytest.raises(InputError, match="at least 2"):
        kid_exchange_test(first[:1], second[:1])
