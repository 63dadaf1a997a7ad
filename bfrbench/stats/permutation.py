"""Exact tests by exchanging labels: for differences near zero, where intervals of distances say little.

Within a pair (restored and truth, or two restorers' answers to one input) the labels are exchanged by a fair
coin, one coin a person. The p-value counts the observed labelling too, so it is never 0 and never too small.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bfrbench.errors import InputError
from bfrbench.stats.bits import Floats, Ints, signs
from bfrbench.stats.people import People, codes

Exchanged = Callable[[npt.NDArray[np.bool_]], float]
"""A statistic after exchanging the two labels of the images where the mask is true; large means different."""


@dataclass(frozen=True, slots=True)
class Permutation:
    """An observed statistic, and the share of labellings that give one as large."""

    statistic: float
    p_value: float
    resamples: int


def sign_flip_test(
    differences: npt.ArrayLike, people: People = None, *, seed: int = 0, resamples: int = 9999
) -> Permutation:
    """Is the mean of paired differences zero? Two-sided."""
    values = np.asarray(differences, dtype=np.float64)
    return _linear(values / max(len(values), 1), people, seed, resamples)


def label_swap_test(
    statistic: Exchanged, images: int, people: People = None, *, seed: int = 0, resamples: int = 199
) -> Permutation:
    """Any statistic of two labelled sets (a Fréchet distance): evaluated once per labelling."""
    numbers, count = codes(images, people)
    observed = float(statistic(np.zeros(images, dtype=bool)))
    null = [float(statistic(row[numbers] < 0)) for chunk in signs(seed, count, resamples) for row in chunk]
    return _test(observed, np.array(null))


def kid_exchange_test(
    first: npt.ArrayLike, second: npt.ArrayLike, people: People = None, *, seed: int = 0, resamples: int = 9999
) -> Permutation:
    """Do two sets of features, paired by image, come from one distribution (KID zero)?

    The statistic is the unbiased squared distance under KID's cubic kernel without the pairs (i, i), which
    depend on each other; every labelling is a quadratic form in the coins, so no feature is touched twice.
    """
    ours, theirs = _features(first), _features(second)
    if ours.shape != theirs.shape:
        raise InputError(f"features {ours.shape} against {theirs.shape}", "a paired test needs the same images")
    crossed = kid_kernel(ours, theirs)
    form = kid_kernel(ours, ours) + kid_kernel(theirs, theirs) - crossed - crossed.T
    np.fill_diagonal(form, 0.0)
    numbers, count = codes(len(ours), people)
    folded = _sum_people(form, numbers, count) / (len(ours) * (len(ours) - 1))
    null = [np.einsum("ij,ij->i", chunk @ folded, chunk) for chunk in signs(seed, count, resamples)]
    return _test(float(folded.sum()), np.concatenate(null))


def kid_difference_test(
    first: npt.ArrayLike,
    second: npt.ArrayLike,
    reference: npt.ArrayLike,
    people: People = None,
    *,
    seed: int = 0,
    resamples: int = 9999,
) -> Permutation:
    """Are two restorers equally far (KID) from a reference? Two-sided; the statistic is KID(first) - KID(second).

    Under exchanged labels that difference is linear in the coins: one weight per image.
    """
    ours, theirs, truth = _features(first), _features(second), _features(reference)
    if ours.shape != theirs.shape:
        raise InputError(f"features {ours.shape} against {theirs.shape}", "a paired test needs the same images")
    n = len(ours)
    inner = kid_kernel(ours, ours) - kid_kernel(theirs, theirs) + kid_kernel(theirs, ours) - kid_kernel(ours, theirs)
    np.fill_diagonal(inner, 0.0)
    outer = kid_kernel(ours, truth).mean(1) - kid_kernel(theirs, truth).mean(1)
    weights = inner.sum(0) / (n * (n - 1)) - 2 * outer / n
    return _linear(weights, people, seed, resamples)


def kid_kernel(a: Floats, b: Floats) -> Floats:
    """KID's kernel: (a·b / dimensions + 1)³."""
    kernel: Floats = (a @ b.T / a.shape[1] + 1.0) ** 3
    return kernel


def _sum_people(form: Floats, numbers: Ints, count: int) -> Floats:
    """N×N to people × people."""
    order = np.argsort(numbers, kind="stable")
    starts = np.searchsorted(numbers[order], np.arange(count))
    folded: Floats = np.add.reduceat(np.add.reduceat(form[np.ix_(order, order)], starts, 0), starts, 1)
    return folded


def _linear(weights: Floats, people: People, seed: int, resamples: int) -> Permutation:
    numbers, count = codes(len(weights), people)
    folded = np.bincount(numbers, weights, minlength=count)
    null = np.concatenate([chunk @ folded for chunk in signs(seed, count, resamples)])
    observed = float(folded.sum())
    return Permutation(observed, _test(abs(observed), np.abs(null)).p_value, resamples)


def _test(observed: float, null: Floats) -> Permutation:
    """One-sided; ties within rounding count as reached."""
    slack = 1e-9 * max(abs(observed), float(np.abs(null).max(initial=0.0)))
    reached = int((null >= observed - slack).sum())
    return Permutation(observed, (1 + reached) / (1 + len(null)), len(null))


def _features(features: npt.ArrayLike) -> Floats:
    data = np.asarray(features, dtype=np.float64)
    if data.ndim != 2 or len(data) < 2:
        raise InputError(f"features of shape {data.shape}", "give at least 2 images, one row of features each")
    if not np.isfinite(data).all():
        raise InputError("features that are not finite", "leave such images out on both sides, and say how many")
    return data
