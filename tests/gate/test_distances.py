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
from bfrbench.gate.verdict import Seen
from bfrbench.metrics import load_protocol

METRIC = "fid-gt"
DIMENSIONS = 2048


def features(count: int, seed: int, noise: float) -> list[Row]:
    """Pairs of features: the truth's, and the same with noise of its own seed; 16 dimensions carry everything."""
    truth = np.zeros((count, DIMENSIONS), np.float32)
    truth[:, :16] = np.random.default_rng(0).normal(size=(count, 16))
    restored = truth.copy()
    restored[:, :16] += noise * np.random.default_rng(seed).normal(size=(count, 16))
    return [Row(f"i{n:04d}", "ok", None, np.stack([restored[n], truth[n]])) for n in range(count)]


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


def test_too_few_images_for_a_distance_are_told_so() -> None:
    told = seen(100, 0.5)
    assert isinstance(told, str) and "100 images are too few" in told
