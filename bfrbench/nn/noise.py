"""Noise that depends on a seed alone: the same on every device and in every batch."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def seeded_noise(shapes: Sequence[tuple[int, int]], seeds: Sequence[int], *, like: Tensor) -> list[Tensor]:
    """One map [N, channels, side, side] per (channels, side), of `like`'s type and device; sample n hangs on seed n."""
    generators = [torch.Generator().manual_seed(seed) for seed in seeds]
    maps = []
    for channels, side in shapes:
        drawn = [torch.randn(channels, side, side, generator=generator) for generator in generators]
        maps.append(torch.stack(drawn).to(device=like.device, dtype=like.dtype))
    return maps
