"""Measures that are one function from batched tensors to one number per image."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bfrbench.contracts import Row, Scored
from bfrbench.errors import UsageError

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Paired:
    """Restored against ground truth: `function(restored, gt)` gives N numbers."""

    function: Callable[[Tensor, Tensor], Tensor]

    def rows(self, batch: Scored) -> Sequence[Row]:
        return as_rows(batch, self.function(batch.restored, ground_truth(batch)))


@dataclass(frozen=True)
class Alone:
    """Restored images by themselves: `function(restored)` gives N numbers."""

    function: Callable[[Tensor], Tensor]

    def rows(self, batch: Scored) -> Sequence[Row]:
        return as_rows(batch, self.function(batch.restored))


def as_rows(batch: Scored, values: Tensor) -> list[Row]:
    """One row per id; a number that is not one gets the status `nan`."""
    numbers = values.detach().double().cpu().tolist()
    return [
        Row(name, "nan") if number != number else Row(name, value=number)
        for name, number in zip(batch.ids, numbers, strict=True)
    ]


def ground_truth(batch: Scored) -> Tensor:
    if batch.gt is None:
        raise UsageError("a metric that needs the ground truth was given none", "give gt, or leave that metric out")
    return batch.gt
