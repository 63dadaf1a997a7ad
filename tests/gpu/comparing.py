"""What the tests of a GPU share: the device, batches of rendered faces, and how near two answers are."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from functools import cache

import numpy as np
import pytest
import torch
from torch import nn

from bfrbench.bench.board import load_board
from bfrbench.bench.inputs import Prepared, prepare
from bfrbench.bench.restoring import as_float
from bfrbench.bench.stage import open_stage
from bfrbench.contracts import Row, Scored

DEVICE = os.environ.get("BFRBENCH_TEST_DEVICE", "cuda")
"""`cpu` rehearses the tests' own code where there is no GPU."""

NEAR_ZERO = {"probe-level": 1e-4, "probe-shift": 1e-4, "probe-sharpness": 1e-5, "lmd": 1e-3}
"""Differences that are allowed in any case, for numbers that may be near 0: levels, pixels, octaves, per cent."""


def has_device() -> bool:
    return DEVICE == "cpu" or torch.cuda.is_available()


@cache
def prepared(count: int, size: int) -> tuple[Prepared, ...]:
    """Faces of studio-ci, degraded as its board says, at some size."""
    board = load_board("studio-ci").model_copy(update={"size": size, "degradation": f"vqfr-1@{size}"})
    stage = open_stage(board)
    return tuple(prepare(stage, image_id) for image_id in stage.dataset.ids[:count])


def batch(device: str, count: int = 8, size: int = 128) -> Scored:
    """Faces half as bad as their inputs beside their truth, with everything that a metric may ask for."""
    some = prepared(count, size)
    lq, gt = (np.stack([getattr(one, name) for one in some]) for name in ("lq", "gt"))
    restored = ((lq.astype(np.uint16) + gt) // 2).astype(np.uint8)
    return Scored(
        tuple(one.id for one in some),
        as_float(lq, device),
        as_float(restored, device),
        gt=as_float(gt, device),
        draws=tuple(one.draw for one in some if one.draw is not None),
        points=tuple(one.points for one in some),
    )


def assert_near(
    found: Mapping[str, Sequence[Row]], expected: Mapping[str, Sequence[Row]], *, values: float, features: float
) -> None:
    """Values within a relative tolerance each, features within one of their length."""
    assert found.keys() == expected.keys()
    for name, rows in expected.items():
        for ours, theirs in zip(found[name], rows, strict=True):
            assert (ours.id, ours.status) == (theirs.id, theirs.status), name
            if theirs.value is not None:
                assert ours.value == pytest.approx(theirs.value, rel=values, abs=NEAR_ZERO.get(name, 1e-6)), name
            if theirs.feature is not None:
                assert ours.feature is not None
                apart = np.linalg.norm(ours.feature - theirs.feature) / np.linalg.norm(theirs.feature)
                assert apart <= features, (name, float(apart))


def awake(network: nn.Module) -> nn.Module:
    """Small numbers where a network starts with zeros, so that every part of it counts."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for tensor in network.parameters():
            if not tensor.any():
                tensor.copy_(0.02 * torch.randn(tensor.shape, generator=generator))
    return network.eval().requires_grad_(False)
