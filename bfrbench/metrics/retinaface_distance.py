"""How far apart a face detector's trunk sees two faces: LPIPS's formula without learned weights, on RetinaFace.

It is not LPIPS and its numbers compare with LPIPS's in no way: the trunk was trained to find faces, and every layer
counts alike. It is for where LPIPS's own weights cannot be had.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bfrbench.config import Frozen
from bfrbench.metrics.kind import Kind, Measure
from bfrbench.metrics.per_image import Paired

if TYPE_CHECKING:
    from torch import Tensor

    from bfrbench.weights import WeightStore

CARD = "retinaface-mobile0.25"


class RetinaFaceChoices(Frozen):
    """Nothing is left to choose."""


class RetinaFaceTrunk:
    """Images to features before each of the five halvings of their side, finest first."""

    def __init__(self, store: WeightStore | None, device: str) -> None:
        from bfrbench.faces.networks import store_or_default
        from bfrbench.faces.retinaface import RetinaFace

        self._body: Any = RetinaFace(CARD, store_or_default(store).path(CARD), device).network.body

    def __call__(self, images: Tensor) -> list[Tensor]:
        """`images` is RGB in [0, 1]."""
        from bfrbench.faces.retinaface import BGR_MEAN

        x = images.flip(1) * 255 - images.new_tensor(BGR_MEAN).view(1, 3, 1, 1)
        features, first = [], self._body.stage1
        for part in (first[:2], first[2:4], first[4:], self._body.stage2, self._body.stage3):
            x = part(x)
            features.append(x)
        return features

    def distance(self, restored: Tensor, gt: Tensor) -> Tensor:
        """N numbers from 0 to 2: the squared distance of unit feature vectors, mean over places, then layers."""
        layers = [
            (_unit(ours) - _unit(theirs)).square().sum(1).mean((1, 2))
            for ours, theirs in zip(self(restored), self(gt), strict=True)
        ]
        total: Tensor = sum(layers[1:], layers[0]) / len(layers)
        return total


def _unit(features: Tensor) -> Tensor:
    return features / (features.square().sum(1, keepdim=True).sqrt() + 1e-10)


class RetinaFaceDistance(Kind[RetinaFaceChoices]):
    """Mean over images."""

    Choices = RetinaFaceChoices

    @property
    def weights(self) -> tuple[str, ...]:
        return (CARD,)

    def open(self, store: WeightStore | None, device: str) -> Measure:
        return Paired(RetinaFaceTrunk(store, device).distance)
