"""Adam as StyleGAN2 sets it for lazy regularisation."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import nn


def adam(
    groups: Sequence[tuple[Iterable[nn.Parameter], float]], betas: tuple[float, float], every: int | None = None
) -> torch.optim.Adam:
    """Groups of parameters, each with its rate. With a regulariser that adds a step of its own every n steps, rates
    and memories are shortened by n/(n+1), so that they are the same per step as without it."""
    share = every / (every + 1) if every else 1.0
    listed = [{"params": list(parameters), "lr": rate * share} for parameters, rate in groups]
    return torch.optim.Adam(listed, betas=(betas[0] ** share, betas[1] ** share), eps=1e-8)
