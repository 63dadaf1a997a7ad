"""The rows that every board shows beside real restorers: nothing done, the truth itself, and bicubic."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bfrbench.contracts import Batch
from bfrbench.errors import UsageError
from bfrbench.restorers.loading import RestorerContext

if TYPE_CHECKING:
    from torch import Tensor


class Input:
    """Gives back what it was given."""

    def __init__(self, context: RestorerContext) -> None: ...

    def restore(self, batch: Batch) -> Tensor:
        return batch.lq.clone()


class Oracle:
    """Gives the ground truth: what a perfect restorer would score under the same protocol."""

    def __init__(self, context: RestorerContext) -> None: ...

    def restore(self, batch: Batch) -> Tensor:
        if batch.gt is None:
            raise UsageError("the oracle has no ground truth to give here", "leave it out where a set has none")
        return batch.gt.clone()


class Bicubic:
    """Smooths by going down and up again by a fixed factor: what removing noise alone is worth."""

    def __init__(self, context: RestorerContext) -> None:
        self.factor = float(context.options.get("factor", 2.0))
        if not self.factor >= 1:
            raise UsageError(f"bicubic's factor is {self.factor}", "give a number of at least 1")

    def restore(self, batch: Batch) -> Tensor:
        from bfrbench.imaging.resize import resize_batch

        height, width = batch.lq.shape[-2:]
        small = (max(1, round(height / self.factor)), max(1, round(width / self.factor)))
        return resize_batch(resize_batch(batch.lq, small), (height, width)).clamp(0, 1)
