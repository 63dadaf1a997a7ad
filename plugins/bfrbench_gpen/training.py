"""GPEN's trainings after the prior: the paper's fine-tuning of an embedded prior, and the released code's single stage.

Both are one task; what tells them apart stands in their recipes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar, cast

import pydantic
import torch
from torch import Tensor, nn

from bfrbench.data import Samples
from bfrbench.imaging.resize import resize_batch
from bfrbench.nn import Discriminator
from bfrbench.training import checkpoint, losses
from bfrbench.training.adversary import Adversary
from bfrbench.training.components import Components, ComponentSettings, FivePoints
from bfrbench.training.judges import identity_network
from bfrbench.training.pathlength import PathLength
from bfrbench.training.rates import adam
from bfrbench.training.settings import (
    AdversarialSettings,
    Judge,
    PerceptualSettings,
    asked_for_shape,
    discriminator_of,
    start_from,
)
from bfrbench.training.task import Faces, Labeller, Phase, Task, TaskContext, Terms
from bfrbench_gpen.network import Gpen, GpenShape, Variant


class GpenSettings(AdversarialSettings, PerceptualSettings, ComponentSettings):
    """The `[task]` table of a GPEN recipe."""

    variant: Variant = "full"
    in_size: pydantic.PositiveInt | None = None
    """Side of the input in the super-resolution form."""
    prior: str | None = None
    """A run or checkpoint of `gpen-prior` with the same shape: its averaged generator and its discriminator.
    "none" starts from nothing; a recipe that cannot do without has "" here, which is refused."""
    adversarial: pydantic.NonNegativeFloat = 1.0
    judged_from: pydantic.NonNegativeInt = 0
    """Images before which the discriminator rests: the restorer learns from its other losses alone."""
    l1: pydantic.NonNegativeFloat = 0.0
    smooth_l1: pydantic.NonNegativeFloat = 0.0
    feature_matching: pydantic.NonNegativeFloat = 0.0
    identity: pydantic.NonNegativeFloat = 0.0
    path_weight: pydantic.NonNegativeFloat = 0.0
    path_every: pydantic.PositiveInt = 4
    lr_encoder: pydantic.PositiveFloat = 2e-3
    lr_decoder: pydantic.PositiveFloat = 2e-4
    lr_discriminator: pydantic.PositiveFloat = 2e-5


class GpenTraining(Task):
    """Learns pairs: degraded face in, sharp face out."""

    Settings: ClassVar[type[GpenSettings]] = GpenSettings
    averaged = "gpen"
    views = 1

    def __init__(self, context: TaskContext) -> None:
        self.settings = s = self.Settings.model_validate(dict(context.settings))
        self.batch, self.device = context.batch, context.device
        self.gpen = self._network(_shape(context.size, s))
        discriminator = discriminator_of(context.size, s)
        if context.from_prior:
            self.started_from = start_from(s.prior, "gpen-prior", context.size, s)
        if self.started_from is not None:
            _embed(self.started_from, self.gpen, discriminator)
        self.gpen, discriminator = self.gpen.to(self.device), discriminator.to(self.device)
        if s.variant == "without-finetuning":
            for parameter in self.gpen.generator.parameters():
                parameter.frozen = True  # type: ignore[attr-defined]
        self.networks = {"gpen": self.gpen, "discriminator": discriminator}
        self.optimisers = {
            "gpen": adam(self._groups(), s.betas, s.path_every if s.path_weight else None),
            "discriminator": adam(
                [(discriminator.parameters(), s.lr_discriminator)], s.betas, s.r1_every if s.r1_gamma else None
            ),
        }
        self._restore = torch.compile(self.gpen) if context.compile else self.gpen
        self.adversary = Adversary(
            discriminator,
            lambda faces: self._out(faces),
            gamma=s.r1_gamma,
            every=s.r1_every,
            augmentation=s.augmentation,
            compile=context.compile,
        )
        self.perceptual = s.perceptual_judge(self.device)
        self.embed = identity_network(self.device) if s.identity else None
        self.path = PathLength("gpen", self._paths, weight=s.path_weight, every=s.path_every, device=self.device)
        self.images = 0
        self.components = Components(context.size, s, s.narrow) if s.components else None
        if self.components is not None:
            judges = self.networks["components"] = self.components.judges.to(self.device)
            self.optimisers["components"] = adam([(judges.parameters(), s.lr_discriminator)], s.betas)

    @property
    def loss_networks(self) -> tuple[str, ...]:
        perceptual = self.perceptual.cards if self.perceptual else ()
        return (*perceptual, *(("arcface-ir-se50",) if self.embed else ()))

    def phases(self) -> Sequence[Phase]:
        own = [Phase("restorer", "gpen", self._lose), *self.path.phases()]
        parts = self.components.phases(self._out) if self.components else ()
        judges = self.adversary.phases() if self.settings.adversarial else ()
        return [*own, *(phase.only(lambda: self.judged) for phase in (*judges, *parts))]

    @property
    def judged(self) -> bool:
        return self.images >= self.settings.judged_from

    def labeller(self, sets: Sequence[Samples]) -> Labeller | None:
        return FivePoints(sets) if self.components else None

    def state(self) -> dict[str, Tensor]:
        return {"images": torch.tensor(self.images), **self.path.state(), **self.adversary.state()}

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        self.path.load_state(state)
        self.images = int(state.get("images", 0))
        self.adversary.load_state(state)

    def after_step(self, images: int, stats: dict[str, float]) -> None:
        self.images = images
        self.path.after_step(stats)
        self.adversary.after_step(self.batch, stats)

    def show(self, network: nn.Module, faces: Faces, seeds: Sequence[int]) -> Tensor:
        gpen = cast(Gpen, network)
        return self._made(gpen(self._given(faces), gpen.finer_noise(seeds))).clamp(-1, 1)

    def _network(self, shape: GpenShape) -> Gpen:
        return Gpen(shape)

    def _groups(self) -> list[tuple[list[nn.Parameter], float]]:
        """The encoder with its way to w at one rate, the embedded prior at another."""
        prior = list(self.gpen.generator.parameters())
        inside = {id(parameter) for parameter in prior}
        encoder = [parameter for parameter in self.gpen.parameters() if id(parameter) not in inside]
        return [(encoder, self.settings.lr_encoder), (prior, self.settings.lr_decoder)]

    def _given(self, faces: Faces) -> Tensor:
        """What the network sees: of the super-resolution form, the face shrunk as the restorer shrinks it."""
        assert faces.lq is not None
        side = self.gpen.shape.entry
        return resize_batch(faces.lq, (side, side)).clamp(-1, 1)

    def _made(self, out: Tensor) -> Tensor:
        """What the network gives, in [-1, 1] as faces are."""
        return out

    def _out(self, faces: Faces) -> Tensor:
        return self._made(self._restore(self._given(faces)))

    def _lose(self, faces: Faces) -> Terms:
        s, out, gt = self.settings, self._out(faces), faces.gt
        terms: Terms = {}
        if s.adversarial and self.judged:
            terms["adversarial"] = s.adversarial * self.adversary.fool(out)
        if s.l1:
            terms["l1"] = s.l1 * (out - gt).abs().mean()
        if s.smooth_l1:
            terms["smooth-l1"] = s.smooth_l1 * nn.functional.smooth_l1_loss(out, gt)
        if s.feature_matching and s.adversarial and self.judged:  # else nobody teaches the discriminator
            judge = cast(Judge, self.networks["discriminator"]).judge
            with torch.no_grad():
                real = judge(gt)[1]
            terms["feature-matching"] = s.feature_matching * losses.feature_matching(real, judge(out)[1])
        if self.perceptual is not None:
            terms |= self.perceptual.terms(gt, out, features=s.perceptual, style=s.style)
        if self.embed is not None:
            terms["identity"] = s.identity * losses.identity(self.embed(gt), self.embed(out))
        if self.components is not None and self.judged:
            terms.update(self.components.terms(out, faces))
        return terms

    def _paths(self, faces: Faces) -> tuple[Tensor, Tensor]:
        """The prior's images and their w, with the encoder's features as they are."""
        w, features = self.gpen.encode(self._given(faces))
        ws = self.gpen.generator.spread(w)
        return self._made(self.gpen.decode(ws, features)), ws


def _shape(size: int, s: GpenSettings) -> GpenShape:
    scale = {"multiplier": s.multiplier, "narrow": s.narrow, "style_dim": s.style_dim}
    with asked_for_shape():
        return GpenShape(size, in_size=s.in_size, **scale).variant(s.variant)  # type: ignore[arg-type]


def _embed(place: Path, gpen: Gpen, discriminator: Judge) -> None:
    """Stage two starts where stage one ended: its averaged generator and its discriminator, if both judge alike."""
    parts: dict[str, nn.Module] = {"average": gpen.generator}
    if isinstance(discriminator, Discriminator):
        parts["discriminator"] = discriminator
    checkpoint.load_networks(place, parts)
