"""Intervals, tests and ranks over rows that were already measured: pure functions, seeded, vectorised.

Distances between distributions come in as callables over image positions; nothing here knows a metric.
"""

from bfrbench.stats.family import Family, mean_family, split_level, subsample_family
from bfrbench.stats.means import Estimate, mean_estimate, paired_estimate, rate_estimate
from bfrbench.stats.people import aligned
from bfrbench.stats.permutation import (
    Permutation,
    kid_difference_test,
    kid_exchange_test,
    label_swap_test,
    sign_flip_test,
)
from bfrbench.stats.ranks import Ranks, rank_distances, rank_means
from bfrbench.stats.subsample import Subsamples, subsample, subsample_estimate

__all__ = [
    "Estimate",
    "mean_estimate",
    "paired_estimate",
    "rate_estimate",
    "aligned",
    "Subsamples",
    "subsample",
    "subsample_estimate",
    "Permutation",
    "sign_flip_test",
    "label_swap_test",
    "kid_exchange_test",
    "kid_difference_test",
    "Family",
    "mean_family",
    "subsample_family",
    "split_level",
    "Ranks",
    "rank_means",
    "rank_distances",
]
