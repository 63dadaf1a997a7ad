"""LPIPS (Zhang et al., 2018) v0.1 through the lpips package, its trunk and heads filled from the weight store."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from bfrbench.config import Frozen
from bfrbench.metrics.kind import Kind, Measure
from bfrbench.metrics.per_image import Paired

if TYPE_CHECKING:
    from torch import Tensor

    from bfrbench.weights import WeightStore


class LpipsChoices(Frozen):
    """What LPIPS has to choose."""

    net: Literal["alex", "vgg", "squeeze"] = Field(
        description="the trunk: distances of different trunks do not compare"
    )
    range: Literal["-1..1", "0..1"] = Field(description="what the network is given for black and white")
    channels: Literal["rgb", "bgr"] = Field(description="the order that the network is given; it was trained on rgb")


def prepared(side: Tensor, choices: LpipsChoices) -> Tensor:
    """A batch in [0, 1] as the network is given it."""
    side = side.flip(1) if choices.channels == "bgr" else side
    return side * 2 - 1 if choices.range == "-1..1" else side


class Lpips(Kind[LpipsChoices]):
    """Mean over images of the distance to the ground truth."""

    Choices = LpipsChoices

    @property
    def weights(self) -> tuple[str, ...]:
        from bfrbench.weights.handing import LPIPS_CARDS

        return LPIPS_CARDS[self.choices.net]

    def open(self, store: WeightStore | None, device: str) -> Measure:
        from bfrbench.weights.handing import lpips_network

        network = lpips_network(self.choices.net, store).to(device)

        def distance(restored: Tensor, gt: Tensor) -> Tensor:
            ours, theirs = (prepared(side, self.choices) for side in (restored, gt))
            found: Tensor = network(ours, theirs)
            return found.flatten()

        return Paired(distance)
