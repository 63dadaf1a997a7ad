"""How often intervals, rank intervals and tests are right, by simulation with known truth.

python benchmarks/coverage.py [--repeats 2000] [--seed 0] [--only WORD]

Beside each figure stands what the field does: a percentile bootstrap over images, pairwise tests one by one.
The Fréchet distance here is the closed formula, so that nothing depends on the metrics under test.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from math import sqrt

import numpy as np
import numpy.typing as npt

from bfrbench.contracts import Interval
from bfrbench.metrics.verification import threshold
from bfrbench.stats import (
    kid_difference_test,
    kid_exchange_test,
    label_swap_test,
    mean_estimate,
    mean_family,
    paired_estimate,
    rank_distances,
    rank_means,
    rate_estimate,
    sign_flip_test,
    subsample_estimate,
)

Floats = npt.NDArray[np.float64]
World = np.random.Generator
Outcome = tuple[bool, bool | None]
"""Whether ours was right, and whether the field's way was."""


@dataclass(frozen=True)
class Case:
    """A name, the share that should be right, one simulated experiment, and its cost against a mean's."""

    name: str
    wanted: tuple[float, float]
    once: Callable[[World, int], Outcome]
    cost: int = 1


COVER, FALSE_ALARM, POWER, AT_LEAST = (0.93, 0.97), (0.93, 0.97), (0.95, 1.0), (0.94, 1.0)


LFW_SIZES = {
    1: 424,
    2: 75,
    3: 30,
    4: 21,
    5: 9,
    6: 6,
    7: 7,
    8: 4,
    9: 6,
    10: 1,
    11: 1,
    13: 1,
    15: 2,
    16: 1,
    17: 2,
    18: 1,
    29: 1,
    52: 1,
    55: 1,
}
"""How many of 594 people of LFW have how many of its 1,232 images."""


def unequal_people(world: World) -> list[str]:
    sizes = [size for size, count in LFW_SIZES.items() for _ in range(count)]
    return [f"p{person}" for person, size in enumerate(sizes) for _ in range(size)]


def clustered(world: World, people: list[str], *, skewed: bool = True, columns: int = 1) -> Floats:
    """Values with mean 0 and variance 1, half of it between people."""
    _, person = np.unique(people, return_inverse=True)
    shape = (len(people), columns)
    draw = (lambda size: world.exponential(1, size) - 1) if skewed else (lambda size: world.normal(0, 1, size))
    values = sqrt(0.5) * draw((person.max() + 1, columns))[person] + sqrt(0.5) * draw(shape)
    return values[:, 0] if columns == 1 else values


def inside(interval: Interval, truth: float) -> bool:
    return interval.low <= truth <= interval.high


def percentile(values: Floats, world: World, truth: float) -> bool:
    """The usual interval: percentiles of the mean over resampled images."""
    draws = values[world.integers(len(values), size=(1000, len(values)))].mean(1)
    low, high = np.quantile(draws, [0.025, 0.975])
    return bool(low <= truth <= high)


def mean_case(people_of: Callable[[World], list[str]], *, skewed: bool) -> Callable[[World, int], Outcome]:
    def once(world: World, seed: int) -> Outcome:
        people = people_of(world)
        values = clustered(world, people, skewed=skewed)
        return inside(mean_estimate(values, people, seed=seed).interval, 0.0), percentile(values, world, 0.0)

    return once


def paired(world: World, seed: int) -> Outcome:
    people = grid(200, 5)(world)
    hard, gain = clustered(world, people), 0.3 * clustered(world, people)
    after, before = hard + gain + 0.1, hard
    ours = inside(paired_estimate(after, before, people, seed=seed).interval, 0.1)
    return ours, percentile(after - before, world, 0.1)


def grid(people: int, images: int) -> Callable[[World], list[str]]:
    return lambda world: [f"p{p}" for p in range(people) for _ in range(images)]


def rate_case(rate: float, people: int, images: int) -> Callable[[World, int], Outcome]:
    def once(world: World, seed: int) -> Outcome:
        names = grid(people, images)(world)
        each = np.repeat(world.beta(rate * 9, (1 - rate) * 9, people), images)
        hits = (world.uniform(size=len(names)) < each).astype(float)
        return inside(rate_estimate(hits, names).interval, rate), percentile(hits, world, rate)

    return once


def verification_faces(world: World, people: int, images: int) -> tuple[Floats, Floats, list[str]]:
    """Embeddings of ground truth and of restored faces; some people are harder to restore than others."""
    size = (people * images, VERIFICATION_DIMENSIONS)
    truth = np.repeat(world.normal(size=(people, size[1])), images, 0) + 0.5 * world.normal(size=size)
    truth /= np.linalg.norm(truth, axis=1, keepdims=True)
    hard = np.repeat(world.gamma(4, 0.06, people), images)[:, None]
    restored = truth + hard * world.normal(size=size)
    restored /= np.linalg.norm(restored, axis=1, keepdims=True)
    return restored, truth, [f"p{p}" for p in range(people) for _ in range(images)]


VERIFICATION_DIMENSIONS, FALSE_ACCEPTS = 16, 0.001


@cache
def verification_population() -> tuple[Floats, float]:
    """Cosines of faces and their truth, in order, and the threshold, over many people of one image."""
    restored, truth, names = verification_faces(np.random.default_rng(987), 20_000, 1)
    return np.sort((restored * truth).sum(1)), threshold(truth[:8000], names[:8000], FALSE_ACCEPTS)[0]


def verification_case(people: int, images: int, *, own: bool) -> Callable[[World, int], Outcome]:
    """Whether the rate at the threshold that the set itself gave is held, or that at the population's threshold."""

    def once(world: World, seed: int) -> Outcome:
        restored, truth, names = verification_faces(world, people, images)
        limit = threshold(truth, names, FALSE_ACCEPTS)[0]
        hits = ((restored * truth).sum(1) > limit).astype(float)
        cosines, populations = verification_population()
        rate = 1 - float(np.searchsorted(cosines, limit if own else populations, side="right")) / len(cosines)
        return inside(rate_estimate(hits, names).interval, rate), percentile(hits, world, rate)

    return once


DIMENSIONS = 16
SPECTRUM = np.sqrt(1.0 / np.arange(1, DIMENSIONS + 1))


def frechet(features: Floats, mean: Floats, cov: Floats) -> float:
    """The Fréchet distance between the Gaussian of `features` and another."""
    own = np.cov(features, rowvar=False)
    values, vectors = np.linalg.eigh(cov)
    half = (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T
    cross = np.sqrt(np.maximum(np.linalg.eigvalsh(half @ own @ half), 0)).sum()
    return float(((features.mean(0) - mean) ** 2).sum() + np.trace(own) + np.trace(cov) - 2 * cross)


def faces(world: World, count: int, people: int, shift: float) -> tuple[Floats, Floats, list[str]]:
    """Features of ground truth and of a restorer that moves them by `shift` and adds its own noise."""
    each = count // people
    names = [f"p{p}" for p in range(people) for _ in range(each)]
    between = np.repeat(world.normal(size=(people, DIMENSIONS)), each, 0)
    truth = (sqrt(0.5) * between + sqrt(0.5) * world.normal(size=(len(names), DIMENSIONS))) * SPECTRUM
    return truth, truth + shift * (1 + 0.5 * world.normal(size=truth.shape)) * SPECTRUM, names


def fid_fixed(restored: Floats, truth: Floats) -> float:
    return frechet(restored, np.zeros(DIMENSIONS), np.diag(SPECTRUM**2))


def fid_paired(restored: Floats, truth: Floats) -> float:
    return frechet(restored, truth.mean(0), np.cov(truth, rowvar=False))


Distance = Callable[[Floats, Floats], float]


@cache
def expected(distance: Distance, count: int, people: int, shift: float) -> float:
    """The distance that this number of images shows on average: what an interval at N must cover."""
    world = np.random.default_rng(987)
    draws = [faces(world, count, people, shift)[:2] for _ in range(6000)]
    return float(np.mean([distance(restored, truth) for truth, restored in draws]))


def fid_case(distance: Distance, count: int, people: int, shift: float) -> Callable[[World, int], Outcome]:
    def once(world: World, seed: int) -> Outcome:
        truth, restored, names = faces(world, count, people, shift)
        value = expected(distance, count, people, shift)
        ours = subsample_estimate(lambda at: distance(restored[at], truth[at]), count, names, seed=seed)
        drawn = [world.integers(count, size=count) for _ in range(100)]
        low, high = np.quantile([distance(restored[at], truth[at]) for at in drawn], [0.025, 0.975])
        return inside(ours.interval, value), bool(low <= value <= high)

    return once


def fid_difference(world: World, seed: int) -> Outcome:
    """Two restorers that differ by re-seeding alone: the true difference is 0."""
    truth, first, names = faces(world, 200, 200, 0.3)
    second = truth + 0.3 * (1 + 0.5 * world.normal(size=truth.shape)) * SPECTRUM
    ours = subsample_estimate(
        lambda at: fid_fixed(first[at], truth[at]) - fid_fixed(second[at], truth[at]), 200, names, seed=seed
    )
    return inside(ours.interval, 0.0), None


def null_pair(world: World, reference: int = 100) -> tuple[Floats, Floats, Floats, list[str]]:
    """Two re-seeded equals on the same 30 people, and a reference."""
    truth, first, names = faces(world, 90, 30, 0.4)
    second = truth + 0.4 * (1 + 0.5 * world.normal(size=truth.shape)) * SPECTRUM
    return first, second, world.normal(size=(reference, DIMENSIONS)) * SPECTRUM, names


def sign_flip(world: World, seed: int) -> Outcome:
    people = grid(30, 3)(world)
    values = clustered(world, people, skewed=False)
    return sign_flip_test(values, people, seed=seed, resamples=999).p_value > 0.05, None


def kid_exchange(world: World, seed: int) -> Outcome:
    first, second, _, names = null_pair(world)
    return kid_exchange_test(first, second, names, seed=seed, resamples=999).p_value > 0.05, None


def kid_difference(world: World, seed: int) -> Outcome:
    first, second, reference, names = null_pair(world)
    return kid_difference_test(first, second, reference, names, seed=seed, resamples=999).p_value > 0.05, None


def fid_swap(world: World, seed: int) -> Outcome:
    first, second, _, names = null_pair(world)

    def distance(mask: npt.NDArray[np.bool_]) -> float:
        swap = mask[:, None]
        return fid_paired(np.where(swap, second, first), np.where(swap, first, second))

    return label_swap_test(distance, len(first), names, seed=seed, resamples=99).p_value > 0.05, None


def cells(world: World, people: list[str], drop: float = 0.0) -> Floats:
    """6 metrics × (whole set, 3 severities, 4 poses) = 48 cells of differences; half the variance shared by person."""
    values = clustered(world, people, columns=6) + drop
    severity, pose = world.integers(3, size=len(people)), world.integers(4, size=len(people))
    masks = [np.ones(len(people), bool), *(severity == s for s in range(3)), *(pose == p for p in range(4))]
    return np.concatenate([np.where(mask[:, None], values, np.nan) for mask in masks], axis=1)


def family_case(people_of: Callable[[World], list[str]]) -> Callable[[World, int], Outcome]:
    def once(world: World, seed: int) -> Outcome:
        people = people_of(world)
        columns = cells(world, people)
        family = mean_family(columns, people, seed=seed, resamples=2000)
        single = [mean_estimate(c[~np.isnan(c)], seed=seed, resamples=200).interval for c in columns.T]
        return bool((family.low <= 0).all() and (family.high >= 0).all()), all(inside(i, 0.0) for i in single)

    return once


def family_power(world: World, seed: int) -> Outcome:
    """A drop of 1.5 × the smallest visible one, in the first cell: is it seen?"""
    people = grid(200, 5)(world)
    columns = cells(world, people)
    family = mean_family(columns, people, seed=seed, side="low", resamples=2000)
    columns[:, 0] += 1.5 * family.visible()[0]
    return bool(mean_family(columns, people, seed=seed + 1, side="low", resamples=2000).low[0] > 0), None


def ranks(world: World, seed: int) -> Outcome:
    """8 restorers, of which 2 and 3 are exact equals: do all rank intervals hold the true ranks?"""
    people = grid(100, 3)(world)
    truth = np.array([0.0, 0.1, 0.1, 0.2, 0.3, 0.3, 0.3, 0.5])
    hard = clustered(world, people)[:, None]
    values = hard + truth + 0.5 * clustered(world, people, columns=8)
    found = rank_means(values, people, higher_is_better=True, seed=seed, resamples=2000)
    least = np.array([1 + (truth > own).sum() for own in truth])
    most = np.array([len(truth) - (truth < own).sum() for own in truth])
    ours = bool((np.array(found.best) <= least).all() and (np.array(found.worst) >= most).all())
    differences = values[:, :, None] - values[:, None, :]
    t = differences.mean(0) / np.maximum(differences.std(0) / sqrt(len(people)), 1e-12)
    return ours, not bool(((t > 1.96) & (truth[:, None] <= truth[None, :])).any())


def fid_ranks(world: World, seed: int) -> Outcome:
    """4 restorers, of which the first three are re-seeded equals."""
    truth, _, names = faces(world, 200, 200, 0.3)
    shifts = (0.3, 0.3, 0.3, 0.5)
    each = [truth + s * (1 + 0.5 * world.normal(size=truth.shape)) * SPECTRUM for s in shifts]
    found = rank_distances(lambda at: [fid_fixed(f[at], truth[at]) for f in each], 200, names, seed=seed)
    return not bool(found.better[:3, :3].any() or found.better[3].any()), None


CASES = [
    Case("mean, 64 images, normal", COVER, mean_case(grid(64, 1), skewed=False)),
    Case("mean, 64 images, skewed", COVER, mean_case(grid(64, 1), skewed=True)),
    Case("mean, 30 people × 5, skewed", COVER, mean_case(grid(30, 5), skewed=True)),
    Case("mean, 200 people × 5, skewed", COVER, mean_case(grid(200, 5), skewed=True)),
    Case("mean, 594 people as on LFW, skewed", COVER, mean_case(unequal_people, skewed=True)),
    Case("paired difference, 200 people × 5", COVER, paired),
    Case("rate 0.97, 200 people × 5", COVER, rate_case(0.97, 200, 5)),
    Case("rate 0.70, 64 images", COVER, rate_case(0.7, 64, 1)),
    Case("verification, 200 people × 5, its threshold", COVER, verification_case(200, 5, own=True), 10),
    Case("verification, 300 images, its threshold", COVER, verification_case(300, 1, own=True), 10),
    Case("verification, 200 people × 5, everybody's threshold", COVER, verification_case(200, 5, own=False), 10),
    Case("FID to fixed statistics, 200 images", COVER, fid_case(fid_fixed, 200, 200, 0.3), 10),
    Case("FID to fixed statistics, 100 people × 3", COVER, fid_case(fid_fixed, 300, 100, 0.3), 10),
    Case("FID to paired truth, 200 images", COVER, fid_case(fid_paired, 200, 200, 0.3), 10),
    Case("FID to paired truth, 100 people × 3", COVER, fid_case(fid_paired, 300, 100, 0.3), 10),
    Case("FID near zero, 200 images", AT_LEAST, fid_case(fid_fixed, 200, 200, 0.0), 10),
    Case("FID difference of equals, 200 images", COVER, fid_difference, 10),
    Case("no alarm: sign flips, 30 people × 3", FALSE_ALARM, sign_flip),
    Case("no alarm: KID exchange, 30 people × 3", FALSE_ALARM, kid_exchange),
    Case("no alarm: KID difference, 30 people × 3", FALSE_ALARM, kid_difference),
    Case("no alarm: FID label swap, 30 people × 3", FALSE_ALARM, fid_swap, 5),
    Case("48 cells at once, 200 people × 5", AT_LEAST, family_case(grid(200, 5)), 10),
    Case("48 cells at once, 64 images", AT_LEAST, family_case(grid(64, 1)), 10),
    Case("1.5 × smallest visible drop is seen", POWER, family_power, 10),
    Case("ranks of 8 restorers, 100 people × 3", AT_LEAST, ranks, 10),
    Case("FID ranks of 4 restorers, 200 images", AT_LEAST, fid_ranks, 20),
]


def measure(case: Case, repeats: int, seed: int) -> tuple[float, float | None, int]:
    """The share of right answers of ours and of the field's way, and the number of simulations."""
    count = max(50, repeats // case.cost) if case.cost > 1 else repeats
    outcomes = [case.once(np.random.default_rng([seed, index]), seed + index) for index in range(count)]
    theirs = [right for _, right in outcomes if right is not None]
    return float(np.mean([right for right, _ in outcomes])), float(np.mean(theirs)) if theirs else None, count


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", default="", help="cases whose name holds this word")
    options = parser.parse_args()
    print("| case | wanted | ours | the usual way | simulations | seconds |\n|---|---|---|---|---|---|")
    for case in CASES:
        if options.only not in case.name:
            continue
        started = time.perf_counter()
        ours, theirs, count = measure(case, options.repeats, options.seed)
        other = "–" if theirs is None else f"{theirs:.1%}"
        low, high = case.wanted
        mark = "" if low <= ours <= high else " (missed)"
        line = (case.name, f"{low:.0%}–{high:.0%}", f"{ours:.1%}{mark}", other, count)
        print("|", *(f"{cell} |" for cell in line), f"{time.perf_counter() - started:.0f} |", flush=True)


if __name__ == "__main__":
    main()
