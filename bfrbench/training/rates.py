"""Adam as StyleGAN2 sets it: for lazy regularisation, and with equalised rates for layers that lack them."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence

import torch
from torch import nn


def adam(
    groups: Sequence[tuple[Iterable[nn.Parameter], float]], betas: tuple[float, float], every: int | None = None
) -> torch.optim.Adam:
    """Groups of parameters, each with its rate. With a regulariser that adds a step of its own every n steps, rates
    and memories are shortened by n/(n+1), so that they are the same per step as without it."""
    share = every / (every + 1) if every else 1.0
    listed = [(list(parameters), rate * share) for parameters, rate in groups]
    fused = any(parameter.is_cuda for parameters, _ in listed for parameter in parameters) or None
    return torch.optim.Adam(
        [{"params": parameters, "lr": rate} for parameters, rate in listed],
        betas=(betas[0] ** share, betas[1] ** share),
        eps=1e-8,
        fused=fused,
    )


def equalised(parameters: Iterable[nn.Parameter], rate: float) -> list[tuple[list[nn.Parameter], float]]:
    """Groups in which a plain layer learns as one with equalised learning rate: Adam's steps do not depend on the
    scale of gradients, so that scaling a weight by 1/√fan-in when it is used is scaling its rate by that."""
    groups: dict[float, list[nn.Parameter]] = defaultdict(list)
    for parameter in parameters:
        fan_in = parameter[0].numel() if parameter.dim() > 1 else 1
        groups[rate / math.sqrt(fan_in)].append(parameter)
    return [(each, slow) for slow, each in groups.items()]
