"""GPEN's training from parsing maps to faces: the input is no degraded face but the map in its palette's colours.

The published network sees and gives [0, 1], not [-1, 1]; its palette was never published, so CelebAMask-HQ's is taken.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from bfrbench.contracts import Sample
from bfrbench.data import Samples
from bfrbench.degradations.tasks import PALETTE, palette
from bfrbench.errors import UsageError
from bfrbench.studio.paint import CLASSES
from bfrbench.studio.splits import Split
from bfrbench.training.sampler import Place
from bfrbench.training.task import Faces, Labeller, TaskContext
from bfrbench_gpen.training import GpenTraining

if TYPE_CHECKING:
    from bfrbench.contracts import Points, U8Image

_OURS = {"clothes": "cloth"}
"""Studio's names of what CelebAMask-HQ calls otherwise; brows, eyes and ears have a side there."""


class ParsingMaps:
    """The labeller of sets that know their parsing maps exactly; `also` gives more labels."""

    def __init__(self, sets: Sequence[Samples], also: Labeller | None = None) -> None:
        self.sets, self.also = [_with_maps(samples) for samples in sets], also

    def __call__(self, sample: Sample, place: Place, *, mirrored: bool) -> Mapping[str, npt.NDArray[np.generic]]:
        parsing = self.sets[place.source].shot(place.position).parsing
        assert sample.points is not None
        labels = celeba_classes(parsing[:, ::-1] if mirrored else parsing, sample.points)
        side = len(sample.image)
        at = ((np.arange(side) + 0.5) * len(labels) / side).astype(np.intp)
        labels = labels[np.ix_(at, at)]
        more = self.also(sample, place, mirrored=mirrored) if self.also else {}
        return {"palette": np.ascontiguousarray(palette(labels, labels.shape).transpose(2, 0, 1)), **more}


def celeba_classes(parsing: U8Image, points: Points) -> U8Image:
    """Studio's class numbers as CelebAMask-HQ's. What has a side is on that of the nearer eye, left in the image."""
    numbers = {name: number for number, name in enumerate(PALETTE)}
    left, right = (
        np.array([numbers.get(f"{side} {name}", numbers.get(_OURS.get(name, name))) for name in CLASSES], np.uint8)
        for side in ("left", "right")
    )
    middle = float(points[:2, 0].mean())
    here = (np.arange(parsing.shape[1]) < middle)[None]
    return np.where(here, left[parsing], right[parsing])


def _with_maps(samples: Any) -> Split:
    if not isinstance(samples, Split):
        name = getattr(samples, "ref", "a data set")
        raise UsageError(f"{name} has no parsing maps to make faces of", "train on rendered faces: --data studio-train")
    return samples


class Seg2FaceTraining(GpenTraining):
    """Learns pairs: coloured parsing map in, face out."""

    views = 0
    shows_labels = True

    def __init__(self, context: TaskContext) -> None:
        super().__init__(context)
        self._halve()

    @torch.no_grad()
    def _halve(self) -> None:
        """A prior's pictures lie in [-1, 1]: halve what every layer adds to the picture, and add a half at the end."""
        generator = self.gpen.generator
        layers = [generator.to_rgb1, *generator.to_rgbs]
        for layer in layers:
            layer.conv.weight.mul_(0.5)
            layer.bias.mul_(0.5)
        layers[-1].bias.add_(0.5)

    def labeller(self, sets: Sequence[Samples]) -> Labeller:
        return ParsingMaps(sets, super().labeller(sets))

    def _given(self, faces: Faces) -> Tensor:
        return faces.labels["palette"].to(self.device).float() / 255

    def _made(self, out: Tensor) -> Tensor:
        return out * 2 - 1
