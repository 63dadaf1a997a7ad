"""The moving average of a network's weights, with its half-life in images."""

from __future__ import annotations

import copy

import torch
from torch import nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

RAMP = 0.05
"""The half-life is at most this share of the images seen, so that the start is soon forgotten."""


class Average:
    """A copy of `network` that follows it. Buffers are copied, parameters averaged."""

    def __init__(self, network: nn.Module, half_life: float) -> None:
        self.network = copy.deepcopy(network).eval().requires_grad_(False)
        self.half_life = half_life

    @torch.no_grad()
    def follow(self, network: nn.Module, batch: int, images: int) -> None:
        """Move towards `network` after a step of `batch` images, the last of `images` seen."""
        keep = 0.5 ** (batch / max(min(self.half_life, images * RAMP), 1e-8))
        move = get_ema_multi_avg_fn(keep)  # type: ignore[no-untyped-call]
        move(list(self.network.parameters()), list(network.parameters()), images)
        for held, new in zip(self.network.buffers(), network.buffers(), strict=True):
            held.copy_(new)
