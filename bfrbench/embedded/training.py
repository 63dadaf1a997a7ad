"""Training of the lite network: each face, often degraded, is tied to another picture of the same person, people are
told apart by a margin, and three things are read off beside: five points, the head's turn, how damaged it is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

import pydantic
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bfrbench.config import Frozen
from bfrbench.embedded.labels import FaceLabels
from bfrbench.embedded.network import BLOCKS, EMBEDDING, REDUCED, SIDE, WIDTHS, LiteNetwork, folded
from bfrbench.errors import UsageError
from bfrbench.training.feeding import signed
from bfrbench.training.task import Faces, Labeller, Phase, Task, TaskContext, Terms

if TYPE_CHECKING:
    from bfrbench.data import Samples


class LiteSettings(Frozen):
    """The `[task]` table of the recipe."""

    people: pydantic.PositiveInt
    """Rows of the classifier, for that many people in the order of the data sets; all others are told apart by the
    tie of their two views alone, as suits sets with more people than pictures seen of each."""
    people_weight: pydantic.NonNegativeFloat = 0.3
    scale: pydantic.PositiveFloat = 24.0
    margin: pydantic.NonNegativeFloat = 0.2
    """Taken off the cosine of the right person (CosFace)."""
    temperature: pydantic.PositiveFloat = 0.1
    pair_weight: pydantic.NonNegativeFloat = 1.0
    points_weight: pydantic.NonNegativeFloat = 5.0
    pose_weight: pydantic.NonNegativeFloat = 1.0
    damage_weight: pydantic.NonNegativeFloat = 1.0
    shift: pydantic.NonNegativeInt = 5
    """Whole pixels by which a view is moved at most: sharp pictures stay sharp."""
    lr: pydantic.PositiveFloat = 0.002
    weight_decay: pydantic.NonNegativeFloat = 0.01


class Learner(nn.Module):
    """The trunk and what only training needs."""

    def __init__(self, people: int) -> None:
        super().__init__()
        self.trunk = LiteNetwork(norm=True)
        spread = REDUCED * (SIDE // 16) ** 2
        self.prototypes = nn.Parameter(torch.randn(people, EMBEDDING) * 0.01)
        self.points, self.pose = nn.Linear(spread, 10), nn.Linear(spread, 2)
        self.damage = nn.Linear(sum(WIDTHS[1:]), 1)


class LiteMetrics(Task):
    """A person is seen twice: as one picture says, degraded or half-way there, and as another picture says."""

    Settings = LiteSettings
    averaged = "learner"
    views = 1
    goes_on = False

    def __init__(self, context: TaskContext) -> None:
        if context.size != SIDE:
            raise UsageError(f"the lite network sees {SIDE} px, not {context.size}", f"train lite-metrics@{SIDE}")
        self.settings = s = LiteSettings.model_validate(dict(context.settings))
        self.learner = Learner(s.people).to(context.device).to(memory_format=torch.channels_last)
        self.networks = {"learner": self.learner}
        adam = torch.optim.AdamW(self.learner.parameters(), lr=s.lr, weight_decay=s.weight_decay)
        self.optimisers: dict[str, torch.optim.Optimizer] = {"learner": adam}

    def labeller(self, sets: Sequence[Samples]) -> Labeller:
        return FaceLabels(sets)

    def phases(self) -> Sequence[Phase]:
        return [Phase("learner", "learner", self._loss)]

    def show(self, network: nn.Module, faces: Faces, seeds: Sequence[int]) -> Tensor:
        """The faces, with a white dot on each of the five points that the network finds."""
        learner, images = cast(Learner, network), faces.gt if faces.lq is None else faces.lq
        points = learner.points(learner.trunk.spread(learner.trunk.layers(images))).view(-1, 5, 2)
        columns = ((points + 1) * SIDE / 2 - 0.5).round().long().clamp(1, SIDE - 2)
        shown = images.clone()
        for image, dots in zip(shown, columns.tolist(), strict=True):
            for x, y in dots:
                image[:, y - 1 : y + 2, x - 1 : x + 2] = 1
        return shown

    def describe(self) -> dict[str, Any]:
        return {"side": SIDE, "widths": list(WIDTHS), "blocks": list(BLOCKS), "embedding": EMBEDDING}

    def result(self, network: nn.Module) -> dict[str, Tensor]:
        """The trunk alone, normalisations folded in, half as long."""
        return {name: value.half() for name, value in folded(cast(Learner, network).trunk).state_dict().items()}

    def _loss(self, faces: Faces) -> Terms:
        assert faces.lq is not None
        labels, s = faces.labels, self.settings
        degraded = faces.gt.lerp(faces.lq, _amounts(faces.gt))
        other = signed(labels["other"].permute(0, 3, 1, 2))
        views = [
            _moved(degraded, labels["points"], s.shift),
            _moved(other, labels["other-points"], s.shift),
        ]
        images = torch.cat([_recoloured(view) for view, _ in views])
        layers = self.learner.trunk.layers(images.contiguous(memory_format=torch.channels_last))
        spread = self.learner.trunk.spread(layers)
        points = torch.cat([at for _, at in views])
        pose = torch.cat([labels["pose"], labels["other-pose"]])
        harm = damage(faces.gt, degraded)
        harm = torch.cat([harm, torch.zeros_like(harm)])
        guess = self.learner.damage(self.learner.trunk.pooled(layers)).squeeze(1)
        return self._people(F.normalize(self.learner.trunk.embedding(spread)), labels["person"]) | {
            "points": known_distance(self.learner.points(spread), _signed_places(points)) * s.points_weight,
            "pose": known_distance(self.learner.pose(spread), pose / 45) * s.pose_weight,
            "damage": F.smooth_l1_loss(guess, harm) * s.damage_weight,
        }

    def _people(self, embedded: Tensor, person: Tensor) -> Terms:
        s, both = self.settings, person.repeat(2)
        known = (both >= 0) & (both < s.people)
        cosines = embedded[known] @ F.normalize(self.learner.prototypes).T
        cosines = cosines - s.margin * F.one_hot(both[known], s.people)
        margin = F.cross_entropy(cosines * s.scale, both[known], reduction="sum") / known.sum().clamp(min=1)
        return {
            "margin": margin * s.people_weight,
            "pair": tied(embedded, person, s.temperature) * s.pair_weight,
        }


def tied(embedded: Tensor, person: Tensor, temperature: float) -> Tensor:
    """NT-Xent between the two views of each face; other faces of the same person are no counter-examples."""
    first, second = embedded.chunk(2)
    likeness = first @ second.T / temperature
    same = (person.unsqueeze(0) == person.unsqueeze(1)) & (person >= 0)
    same.fill_diagonal_(False)
    likeness = likeness.masked_fill(same, -torch.inf)
    own = torch.arange(len(person), device=person.device)
    return (F.cross_entropy(likeness, own) + F.cross_entropy(likeness.T, own)) / 2


def known_distance(guess: Tensor, truth: Tensor) -> Tensor:
    """Mean distance where the truth is known; nothing where none is."""
    known = truth.isfinite()
    apart = F.smooth_l1_loss(guess[known], truth[known], beta=0.1, reduction="sum")
    return apart / known.sum().clamp(min=1)


def damage(gt: Tensor, degraded: Tensor) -> Tensor:
    """How far each picture is from its truth: the logarithm of the error in levels, 0 for none, about 1 for 31."""
    levels = (gt - degraded).square().mean(dim=(1, 2, 3)).sqrt() * 127.5
    return torch.log2(1 + levels) / 5


def _amounts(images: Tensor) -> Tensor:
    """How much of the degradation each face takes: a third none, a third all, a third some, as restored faces do."""
    drawn = torch.rand(len(images), 1, 1, 1, device=images.device)
    return (drawn * 3 - 1).clamp(0, 1)


def _signed_places(points: Tensor) -> Tensor:
    """N×10 from -1 at the left and upper border to 1 at the others."""
    return (points.flatten(1) + 0.5) / (SIDE / 2) - 1


def _moved(images: Tensor, points: Tensor, most: int) -> tuple[Tensor, Tensor]:
    """Each image moved by whole pixels of its own, its border repeated, and its points with it."""
    by = torch.randint(-most, most + 1, (len(images), 2), device=images.device)
    wide = F.pad(images, (most, most, most, most), mode="replicate")
    side = images.shape[-1]
    cut = [w[:, most - dy : most - dy + side, most - dx : most - dx + side] for w, (dx, dy) in zip(wide, by.tolist())]  # noqa: B905
    return torch.stack(cut), points + by.unsqueeze(1)


def _recoloured(images: Tensor) -> Tensor:
    """Saturation, contrast and brightness of each image changed a little, one in ten made grey."""
    count, device = len(images), images.device
    colour, contrast, light, grey = (torch.rand(count, 1, 1, 1, device=device) for _ in range(4))
    luma = images.mean(dim=1, keepdim=True)
    saturation = torch.where(grey < 0.1, torch.zeros_like(colour), 0.6 + 0.8 * colour)
    images = luma + (images - luma) * saturation
    return (images * (0.8 + 0.4 * contrast) + 0.3 * (light - 0.5)).clamp(-1, 1)
