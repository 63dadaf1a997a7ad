"""GFPGAN's facial components: eyes and mouth, cut out by the five points, each before a small discriminator of its own.

GFPGAN cuts them where landmarks of its own say; the boxes here follow from the five points and are ours.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pydantic
import torch
from torch import Tensor, nn

from bfrbench.config import Frozen
from bfrbench.errors import UsageError
from bfrbench.nn import ConvLayer, EqualConv2d
from bfrbench.training import losses
from bfrbench.training.task import Faces, Phase, Terms

if TYPE_CHECKING:
    import numpy.typing as npt

    from bfrbench.contracts import Sample
    from bfrbench.data import Samples
    from bfrbench.training.sampler import Place

PARTS = ("left-eye", "right-eye", "mouth")
"""Left and right as one sees the picture."""
_EYE, _MOUTH, _LEAST = 0.85, 1.2, 0.5
"""Sides of the boxes: in distances of the eyes, of the mouth's corners; a mouth seen from aside, in the former."""
_SHARE = 0.22
"""Side of a crop, as a share of the picture's."""


class ComponentSettings(Frozen):
    """What a `[task]` table says of them."""

    components: pydantic.NonNegativeFloat = 0.0
    """Weight of the parts' adversarial losses; 0: none of this."""
    component_style: pydantic.NonNegativeFloat = 200.0
    """Weight of the Gram matrices of their discriminators' features, on top of `components`; 200 is GFPGAN's."""


class FivePoints:
    """The labeller: each face's five points, and whether they are known."""

    def __init__(self, sets: Sequence[Samples]) -> None:
        if all(samples[0].points is None for samples in sets):
            problem = "facial components are asked for, and no data set has five points"
            raise UsageError(problem, "find them with 'bfrbench datasets prepare', or set task.components=0")

    def __call__(self, sample: Sample, place: Place, *, mirrored: bool) -> Mapping[str, npt.NDArray[np.generic]]:
        points = np.zeros((5, 2), np.float32) if sample.points is None else sample.points.astype(np.float32)
        return {"points": points, "has-points": np.array(sample.points is not None)}


class PartDiscriminator(nn.Module):
    """Crops to logits, one for each patch, a quarter of their side wide; features at half and quarter of the side."""

    def __init__(self, narrow: float) -> None:
        super().__init__()
        few, some, many = (max(1, round(channels * narrow)) for channels in (64, 128, 256))
        self.fine = nn.Sequential(ConvLayer(3, few, 3), ConvLayer(few, some, 3, down=True), ConvLayer(some, some, 3))
        self.coarse = nn.Sequential(ConvLayer(some, many, 3, down=True), ConvLayer(many, many, 3))
        self.final_conv = EqualConv2d(many, 1, 3, padding=1)

    def forward(self, crops: Tensor) -> tuple[Tensor, list[Tensor]]:
        fine = self.fine(crops)
        coarse = self.coarse(fine)
        return self.final_conv(coarse), [fine, coarse]


class Components:
    """The discriminators of the parts, what a restorer loses before them, and what they lose themselves."""

    name = "components"

    def __init__(self, size: int, settings: ComponentSettings, narrow: float) -> None:
        self.settings, self.side = settings, max(8, 4 * round(size * _SHARE / 4))
        self.judges = nn.ModuleDict({part: PartDiscriminator(narrow) for part in PARTS})

    def phases(self, make: Callable[[Faces], Tensor]) -> list[Phase]:
        def tell_apart(faces: Faces) -> Terms:
            with torch.no_grad():
                made = make(faces)
            return {
                part: losses.discriminator_logistic(judge(real)[0], judge(fake)[0])
                for part, judge, real, fake in self._cut(made, faces)
            }

        return [Phase(self.name, self.name, tell_apart)]

    def terms(self, made: Tensor, faces: Faces) -> Terms:
        """Of the faces whose points are known; nothing where none are."""
        s, found = self.settings, {}
        for part, judge, real, fake in self._cut(made, faces):
            logits, features = judge(fake)
            found[part] = s.components * losses.generator_logistic(logits)
            with torch.no_grad():
                _, true = judge(real)
            grams = [(losses.gram(a) - losses.gram(b)).abs().mean() for a, b in zip(true, features, strict=True)]
            found[f"{part}-style"] = s.components * s.component_style * torch.stack(grams).sum()
        return found

    def _cut(self, made: Tensor, faces: Faces) -> list[tuple[str, nn.Module, Tensor, Tensor]]:
        """Of each part: its judge, and the real and the made crops."""
        known = faces.labels["has-points"].to(made.device)
        if not bool(known.any()):
            return []
        placed = boxes(faces.labels["points"].to(made.device)[known])

        def crops(images: Tensor, part: str) -> Tensor:
            return losses.crops(images[known], placed[part], self.side)

        return [(part, self.judges[part], crops(faces.gt, part), crops(made, part)) for part in PARTS]


def boxes(points: Tensor) -> dict[str, Tensor]:
    """N×5×2 pixel centres to a square box of each part: N×4 edges."""
    at = points + 0.5
    eyes = (at[:, 1] - at[:, 0]).norm(dim=1)
    mouth = torch.maximum(_MOUTH * (at[:, 4] - at[:, 3]).norm(dim=1), _LEAST * eyes)
    middle = (at[:, 3] + at[:, 4]) / 2
    squares = zip(PARTS, (at[:, 0], at[:, 1], middle), (_EYE * eyes, _EYE * eyes, mouth), strict=True)
    return {part: torch.cat((c - side[:, None] / 2, c + side[:, None] / 2), dim=1) for part, c, side in squares}
