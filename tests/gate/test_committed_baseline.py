"""The gate that guards this repository: its committed baseline passes what is unchanged and catches subtle faults."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, pad

import bfrbench
from bfrbench.bench.board import load_board
from bfrbench.contracts import Batch
from bfrbench.gate import judge, open_side

BASELINE = Path(__file__).resolve().parents[2] / "leaderboards" / "studio-ci" / "baseline.json"
Fault = Callable[[Tensor], Tensor]


def unchanged(images: Tensor) -> Tensor:
    return images


def swapped(images: Tensor) -> Tensor:
    return images.flip(1)


def half_pixel(images: Tensor) -> Tensor:
    return (images + pad(images, (1, 0, 0, 0), mode="replicate")[..., :-1]) / 2


def truncated(images: Tensor) -> Tensor:
    return (images * 255).floor() / 255


def sharpened(images: Tensor) -> Tensor:
    smooth = avg_pool2d(pad(images, (1, 1, 1, 1), mode="replicate"), 3, 1)
    return (images + 0.3 * (images - smooth)).clamp(0, 1)


class Faulty:
    """Bicubic, as in the baseline, with a fault put on top."""

    def __init__(self, fault: Fault) -> None:
        self.inner, self.fault = bfrbench.load_restorer("bicubic"), fault

    def restore(self, batch: Batch) -> Tensor:
        return self.fault(torch.as_tensor(self.inner.restore(batch)))


def verdict(fault: Fault, folder: Path) -> str:
    bfrbench.run(Faulty(fault), "studio-ci", name=fault.__name__.replace("_", "-"), out=folder, threads=1)
    return judge(open_side(folder), open_side(BASELINE), load_board("studio-ci")).outcome


def test_an_unchanged_restorer_passes_the_committed_baseline(tmp_path: Path) -> None:
    assert verdict(unchanged, tmp_path) == "pass"


@pytest.mark.parametrize("fault", [swapped, half_pixel, truncated, sharpened], ids=lambda fault: fault.__name__)
def test_a_subtle_fault_is_caught_by_the_committed_baseline(fault: Fault, tmp_path: Path) -> None:
    assert verdict(fault, tmp_path) == "regression"
