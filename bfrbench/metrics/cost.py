"""What a restorer costs apart from its seconds and memory: its parameters and multiply-adds, counted.

Cost is observed, not scored: it belongs to a machine and never enters a digest. The bench measures seconds and
memory while it runs, and puts all four into the scorecard.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


def count_parameters(restorer: Any) -> int | None:
    """Parameters of every torch module that the object holds, each counted once; None where it shows none (a
    command, a folder, an ONNX file)."""
    from torch import nn

    inner = getattr(restorer, "restorer", restorer)
    modules = (
        [inner]
        if isinstance(inner, nn.Module)
        else [value for value in vars(inner).values() if isinstance(value, nn.Module)]
    )
    if not modules:
        return None
    return sum({id(p): p.numel() for module in modules for p in module.parameters()}.values())


def count_macs(call: Callable[[], object]) -> int | None:
    """Multiply-adds of matrix products and convolutions while `call` runs; None where nothing ran in torch."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        call()
    total = int(counter.get_total_flops())
    return total // 2 or None
