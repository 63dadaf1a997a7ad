"""facexlib's RetinaFace networks: batched, over a pyramid of sizes, with the anchors of a size laid out once."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bfrbench.contracts import Face
from bfrbench.faces.networks import fill
from bfrbench.faces.scale import Scaled, by_size, fit
from bfrbench.faces.vote import settle

if TYPE_CHECKING:
    import numpy.typing as npt
    from torch import Tensor

    from bfrbench.contracts import U8Image

    Candidates = tuple[npt.NDArray[Any], npt.NDArray[Any], npt.NDArray[Any]]

BGR_MEAN = (104.0, 117.0, 123.0)
_MAX_SIDE = 1280
_SUPPRESS = 0.4
_CHUNK_PIXELS = 8 * 512 * 512


@dataclass(frozen=True)
class Variant:
    """How one published weight file was trained; its tensors fit networks trained otherwise too, and then mislead."""

    network: str
    anchors: tuple[tuple[int, int], ...]
    leak: float | None
    """Slope of the activations below zero, where it is not facexlib's."""

    @property
    def largest_face(self) -> float:
        """Faces beyond this many pixels are found better in a smaller image."""
        return 0.75 * self.anchors[-1][-1]


VARIANTS = {
    "retinaface-r50": Variant("resnet50", ((16, 32), (64, 128), (256, 512)), None),
    # The file of this card comes from Face-Detector-1MB-with-landmark: plain ReLU and smaller anchors.
    "retinaface-mobile0.25": Variant("mobile0.25", ((10, 20), (32, 64), (128, 256)), 0.0),
}


class RetinaFace:
    """Single-shot detector with five points; images larger than 1,280 pixels are looked at in smaller form."""

    def __init__(self, name: str, path: Path, device: str = "cpu", threshold: float | None = None) -> None:
        self.name, self.device, self.variant = name, device, VARIANTS[name]
        self.threshold = 0.8 if threshold is None else threshold
        self.network: Any = fill(_empty(self.variant, device), path, device=device)

    def __call__(self, image: U8Image) -> list[Face]:
        return self.batch([image])[0]

    def batch(self, images: Sequence[U8Image]) -> list[list[Face]]:
        levels = [(index, level, last) for index, image in enumerate(images) for level, last in self._pyramid(image)]
        found: list[list[Candidates]] = [[] for _ in images]
        for chosen in by_size([level for _, level, _ in levels], _CHUNK_PIXELS):
            for i, candidates in zip(chosen, self.candidates([levels[i][1] for i in chosen]), strict=True):
                index, level, last = levels[i]
                found[index].append(self._in_original(candidates, level, last))
        return [
            settle(*(np.concatenate(parts) for parts in zip(*rows, strict=True)), suppress=_SUPPRESS) for rows in found
        ]

    def candidates(self, images: Sequence[Scaled]) -> list[Candidates]:
        """Boxes, scores and points above the threshold, in pixels of images of one size; overlaps are left in."""
        import torch
        from facexlib.detection.retinaface_utils import batched_decode, batched_decode_landm

        height, width = images[0].image.shape[:2]
        stack = np.stack([scaled.image[..., ::-1] for scaled in images])
        pixels = torch.from_numpy(stack).to(self.device).permute(0, 3, 1, 2).float()
        with torch.inference_mode():
            boxes, scores, points = self.network(pixels - pixels.new_tensor(BGR_MEAN).view(1, 3, 1, 1))
            anchors = _anchors(height, width, self.variant.anchors, self.device).unsqueeze(0)
            variance = self.network.cfg["variance"]
            side = pixels.new_tensor([width, height])
            boxes = batched_decode(boxes, anchors, variance) * side.repeat(2)
            points = batched_decode_landm(points, anchors, variance) * side.repeat(5)
            sure = scores[..., 1] > self.threshold
        found = (each.cpu().numpy() for each in (boxes, scores[..., 1], points, sure))
        return [(b[s], c[s], p[s].reshape(-1, 5, 2)) for b, c, p, s in zip(*found, strict=True)]

    def _pyramid(self, image: U8Image) -> Iterator[tuple[Scaled, bool]]:
        """The image, half of it and so on while its largest face could outgrow the anchors; and which is the last."""
        side = min(max(image.shape[:2]), _MAX_SIDE)
        while True:
            last = side <= 1.25 * self.variant.anchors[-1][-1]
            yield fit(image, side), last
            if last:
                return
            side //= 2

    def _in_original(self, candidates: Candidates, level: Scaled, last: bool) -> Candidates:
        """In pixels of the image, without what a smaller level sees better."""
        boxes, scores, points = candidates
        kept = np.full(len(scores), True)
        if not last:
            kept = (boxes[:, 2:] - boxes[:, :2]).max(axis=1, initial=0) <= self.variant.largest_face
        return boxes[kept] * np.tile(level.factor, 2), scores[kept], level.back(points[kept])


def _empty(variant: Variant, device: str) -> Any:
    """facexlib's network without weights."""
    import warnings

    from facexlib.detection.retinaface import RetinaFace as Network
    from torch import nn

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # torchvision says that `pretrained=False` has a new spelling
        network = Network(network_name=variant.network, device=device)
    if variant.leak is not None:
        for module in network.modules():
            if isinstance(module, nn.LeakyReLU):
                module.negative_slope = variant.leak
    return network


@functools.lru_cache(maxsize=32)
def _anchors(height: int, width: int, sides_of_strides: tuple[tuple[int, int], ...], device: str = "cpu") -> Tensor:
    """Two square anchors at each cell of strides 8, 16 and 32: centre and side, as shares of the image."""
    import torch

    rows = []
    for stride, sides in zip((8, 16, 32), sides_of_strides, strict=True):
        y = (torch.arange(-(-height // stride), dtype=torch.float64) + 0.5) * stride / height
        x = (torch.arange(-(-width // stride), dtype=torch.float64) + 0.5) * stride / width
        side = torch.tensor(sides, dtype=torch.float64)
        cells = (len(y), len(x), len(side))
        parts = (x[None, :, None], y[:, None, None], side / width, side / height)
        rows.append(torch.stack([part.expand(cells) for part in parts], dim=-1).reshape(-1, 4))
    return torch.cat(rows).float().to(device)
