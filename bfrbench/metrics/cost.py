"""What a restorer costs per image: seconds, peak memory, parameters and multiply-adds, all of them measured.

Cost is observed, not scored: it belongs to a machine and never enters a digest.
"""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bfrbench.contracts import Batch, Restorer

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True, slots=True)
class Cost:
    """Per image, at the batch size and picture size that were measured."""

    seconds: float
    """Median over repeats, after warming up."""
    peak_bytes: int
    """On a GPU the most allocated; on a CPU how far the process grew while restoring."""
    parameters: int | None
    """None where the restorer shows no torch module (a command, a folder, an ONNX file)."""
    macs: int | None
    """Multiply-adds of one image, counted by torch's own operators; None where nothing ran in torch."""
    device: str
    size: tuple[int, int]
    batch: int


def measure_cost(restorer: Restorer, batch: Batch, *, repeats: int = 3) -> Cost:
    """Restore `batch` a few times and say what it took."""
    import torch

    images, device = len(batch.ids), batch.lq.device
    macs = count_macs(lambda: restorer.restore(batch))
    with torch.inference_mode():
        seconds = [_timed(restorer, batch) for _ in range(repeats)]
        peak = _peak_bytes(restorer, batch)
    return Cost(
        seconds=statistics.median(seconds) / images,
        peak_bytes=peak,
        parameters=count_parameters(restorer),
        macs=macs // images if macs else None,
        device=str(device),
        size=(int(batch.lq.shape[-2]), int(batch.lq.shape[-1])),
        batch=images,
    )


def count_parameters(restorer: Any) -> int | None:
    """Parameters of every torch module that the object holds, each counted once."""
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
    """Multiply-adds of matrix products and convolutions while `call` runs."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        call()
    total = int(counter.get_total_flops())
    return total // 2 or None


def _timed(restorer: Restorer, batch: Batch) -> float:
    import torch

    started = time.perf_counter()
    restorer.restore(batch)
    if batch.lq.device.type == "cuda":
        torch.cuda.synchronize(batch.lq.device)
    return time.perf_counter() - started


def _peak_bytes(restorer: Restorer, batch: Batch) -> int:
    import torch

    if batch.lq.device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(batch.lq.device)
        restorer.restore(batch)
        return int(torch.cuda.max_memory_allocated(batch.lq.device))
    with _Watch() as watch:
        restorer.restore(batch)
    return watch.grown


class _Watch:
    """Samples the resident memory of this process every few milliseconds."""

    grown = 0

    def __enter__(self) -> _Watch:
        import threading

        import psutil

        process, stop = psutil.Process(), threading.Event()
        start = process.memory_info().rss

        def look() -> None:
            while not stop.wait(0.005):
                self.grown = max(self.grown, process.memory_info().rss - start)

        self._stop, self._thread = stop, threading.Thread(target=look, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
