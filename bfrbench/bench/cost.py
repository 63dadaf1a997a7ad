"""What a restorer costs: its parameters, and the multiplications of one image, counted while it works."""

from __future__ import annotations

from typing import Any


def parameters(restorer: object) -> int | None:
    """Parameters of the networks that a restorer holds, each counted once; None when it holds none."""
    from torch import nn

    candidates: list[Any] = [restorer, *vars(restorer).values()] if hasattr(restorer, "__dict__") else [restorer]
    modules = [thing for thing in candidates if isinstance(thing, nn.Module)]
    if not modules:
        return None
    return sum(parameter.numel() for parameter in {p for module in modules for p in module.parameters()})
