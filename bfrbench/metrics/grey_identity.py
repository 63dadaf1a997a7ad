"""VQFR's Deg: the angle between embeddings of whole grey crops at 128 pixels, by a small ArcFace network.

The network is that of ronghuaiyang/arcface-pytorch (ResNet-18 of improved residual blocks, no squeeze and
excitation), written here from its published layer names; nothing is detected, aligned or flipped.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from bfrbench.config import Frozen
from bfrbench.contracts import Row, Scored
from bfrbench.errors import WeightsError
from bfrbench.imaging.convert import from_batch
from bfrbench.metrics.finaliser import Finaliser
from bfrbench.metrics.identity import MeanAngle
from bfrbench.metrics.kind import Kind, Measure
from bfrbench.metrics.per_image import ground_truth

if TYPE_CHECKING:
    from torch import Tensor, nn

    from bfrbench.contracts import U8Image
    from bfrbench.weights import WeightStore

SIDE = 128
_STAGES = ((64, 1), (128, 2), (256, 2), (512, 2))


class GreyDegChoices(Frozen):
    """What VQFR's Deg has to choose."""

    weights: str = Field(description="the weight card of the network")
    unit: Literal["degrees", "radians"] = Field(description="of the angle")
    identical_below: float = Field(ge=0, description="pairs nearer than these degrees are counted and left out")


def build_network() -> nn.Module:
    """The network with the published names, not filled."""
    from torch import nn

    def block(inside: int, outside: int, stride: int) -> nn.Module:
        part = nn.Module()
        part.bn0 = nn.BatchNorm2d(inside)
        part.conv1 = nn.Conv2d(inside, inside, 3, padding=1, bias=False)
        part.bn1 = nn.BatchNorm2d(inside)
        part.prelu = nn.PReLU()
        part.conv2 = nn.Conv2d(inside, outside, 3, stride, padding=1, bias=False)
        part.bn2 = nn.BatchNorm2d(outside)
        if stride != 1 or inside != outside:
            shortcut = nn.Conv2d(inside, outside, 1, stride, bias=False)
            part.downsample = nn.Sequential(shortcut, nn.BatchNorm2d(outside))
        return part

    network = nn.Module()
    network.conv1 = nn.Conv2d(1, 64, 3, padding=1, bias=False)
    network.bn1 = nn.BatchNorm2d(64)
    network.prelu = nn.PReLU()
    inside = 64
    for number, (outside, stride) in enumerate(_STAGES, 1):
        setattr(network, f"layer{number}", nn.Sequential(block(inside, outside, stride), block(outside, outside, 1)))
        inside = outside
    network.bn4 = nn.BatchNorm2d(512)
    network.fc5 = nn.Linear(512 * 8 * 8, 512)
    network.bn5 = nn.BatchNorm1d(512)
    return network.eval().requires_grad_(False)


def embed(network: Any, grey: Tensor) -> Tensor:
    """N×1×128×128 in [-1, 1] to N×512."""
    from torch.nn.functional import max_pool2d

    x = max_pool2d(network.prelu(network.bn1(network.conv1(grey))), 2)
    for number in range(1, len(_STAGES) + 1):
        for part in getattr(network, f"layer{number}"):
            inner = part.prelu(part.bn1(part.conv1(part.bn0(x))))
            inner = part.bn2(part.conv2(inner))
            x = part.prelu(inner + (part.downsample(x) if hasattr(part, "downsample") else x))
    embedded: Tensor = network.bn5(network.fc5(network.bn4(x).flatten(1)))
    return embedded


class GreyPairs:
    """One row per image: the cosine, and both embeddings as its feature."""

    def __init__(self, weights: str, store: WeightStore | None, device: str) -> None:
        from bfrbench.weights import WeightStore, load_state_dict

        path = (store or WeightStore()).path(weights)
        network = build_network()
        try:
            network.load_state_dict(load_state_dict(path))
        except RuntimeError as error:
            reason = " ".join(str(error).split())[:200]
            raise WeightsError(f"{path} is not the network of {weights} ({reason})", "get the named file") from error
        self._network, self._device = network.to(device), device

    def rows(self, batch: Scored) -> Sequence[Row]:
        import torch
        from torch.nn.functional import normalize

        grey = torch.stack([_grey(one) for side in (batch.restored, ground_truth(batch)) for one in from_batch(side)])
        embedded = normalize(embed(self._network, grey.to(self._device)).double(), dim=1)
        pairs = torch.stack(embedded.chunk(2), 1)
        cosines = (pairs[:, 0] * pairs[:, 1]).sum(1).tolist()
        features = pairs.float().cpu().numpy()
        return [Row(name, "ok", cosines[at], features[at]) for at, name in enumerate(batch.ids)]


def _grey(picture: U8Image) -> Tensor:
    """OpenCV's whole-number luma, then its bilinear resize: both round to whole levels."""
    import cv2
    import torch

    small = cv2.resize(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), (SIDE, SIDE), interpolation=cv2.INTER_LINEAR)
    return torch.from_numpy(small).float().sub(127.5).div(127.5).unsqueeze(0)


class GreyDeg(Kind[GreyDegChoices]):
    """Mean angle over pairs that are not identical."""

    Choices = GreyDegChoices
    rows_family = "grey-identity"
    row_choices = ("weights",)

    @property
    def weights(self) -> tuple[str, ...]:
        return (self.choices.weights,)

    def open(self, store: WeightStore | None, device: str) -> Measure:
        return GreyPairs(self.choices.weights, store, device)

    @property
    def finaliser(self) -> Finaliser[Any]:
        return MeanAngle(self.failure, self.choices.unit, self.choices.identical_below)
