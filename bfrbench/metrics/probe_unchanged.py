"""A probe for images that came back as they went in: a batch that was skipped, a path that fell through.

Eight such images among hundreds move no mean far enough to be told from chance; here each of them is a fact.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pydantic import Field

from bfrbench.config import Frozen
from bfrbench.contracts import Row, Scored
from bfrbench.errors import UsageError
from bfrbench.metrics.kind import Kind, Measure

if TYPE_CHECKING:
    from bfrbench.weights import WeightStore


class UnchangedChoices(Frozen):
    """What this probe has to choose."""

    tolerance: float = Field(
        ge=0, description="levels of 0-255 by which no pixel may differ from the input for an image to count"
    )


class ComesBack:
    """1 for an image that equals its input, 0 for one that does not."""

    def __init__(self, choices: UnchangedChoices) -> None:
        self._largest = (choices.tolerance + 1e-3) / 255

    def rows(self, batch: Scored) -> Sequence[Row]:
        if batch.lq is None:
            raise UsageError("the probe for unchanged images was given no inputs", "give them, or leave it out")
        apart = (batch.restored - batch.lq).abs().amax((1, 2, 3)).tolist()
        return [Row(name, value=float(far <= self._largest)) for name, far in zip(batch.ids, apart, strict=True)]


class ProbeUnchanged(Kind[UnchangedChoices]):
    """The share of images that came back unchanged."""

    Choices = UnchangedChoices
    exact = True

    def open(self, store: WeightStore | None, device: str) -> Measure:
        return ComesBack(self.choices)
