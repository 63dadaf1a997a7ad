"""A StyleGAN2 prior from scratch: the ordinary form, or any other form in which its noise may enter."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

import pydantic
import torch
from torch import Tensor, nn

from bfrbench.nn import Generator, NoiseForm
from bfrbench.training.adversary import Adversary
from bfrbench.training.pathlength import PathLength
from bfrbench.training.rates import adam
from bfrbench.training.settings import AdversarialSettings, asked_for_shape, discriminator_of
from bfrbench.training.task import Faces, Phase, Task, TaskContext, Terms


class PriorSettings(AdversarialSettings):
    """The `[task]` table of a prior's recipe."""

    noise: NoiseForm = "add"
    mixing: float = 0.9
    """Chance that a picture is made of two styles."""
    path_weight: pydantic.NonNegativeFloat = 2.0
    path_every: pydantic.PositiveInt = 4
    path_share: pydantic.PositiveFloat = 0.5
    """Share of a micro-batch that the path-length penalty looks at."""
    lr: pydantic.PositiveFloat = 0.002
    group: pydantic.PositiveInt | None = 4


class Prior(Task):
    """Learns faces from sharp images alone."""

    Settings = PriorSettings
    averaged = "generator"
    views = 0

    def __init__(self, context: TaskContext) -> None:
        self.settings = s = PriorSettings.model_validate(dict(context.settings))
        self.batch, self.device = context.batch, context.device
        with asked_for_shape():
            generator = Generator(
                context.size, multiplier=s.multiplier, narrow=s.narrow, noise=s.noise, style_dim=s.style_dim
            )
        generator, discriminator = generator.to(context.device), discriminator_of(context.size, s).to(context.device)
        self.generator = generator
        self.networks = {"generator": generator, "discriminator": discriminator}
        self.optimisers = {
            "generator": adam([(generator.parameters(), s.lr)], s.betas, s.path_every if s.path_weight else None),
            "discriminator": adam([(discriminator.parameters(), s.lr)], s.betas, s.r1_every if s.r1_gamma else None),
        }
        self._make = torch.compile(generator.synthesise) if context.compile else generator.synthesise
        self.adversary = Adversary(
            discriminator,
            lambda faces: self._fake(len(faces)),
            gamma=s.r1_gamma,
            every=s.r1_every,
            augmentation=s.augmentation,
            compile=context.compile,
        )
        self.path = PathLength(
            "generator", self._paths, weight=s.path_weight, every=s.path_every, device=context.device
        )

    def phases(self) -> Sequence[Phase]:
        return [Phase("generator", "generator", self._fool), *self.path.phases(), *self.adversary.phases()]

    def state(self) -> dict[str, Tensor]:
        return {**self.path.state(), **self.adversary.state()}

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        self.path.load_state(state)
        self.adversary.load_state(state)

    def after_step(self, images: int, stats: dict[str, float]) -> None:
        self.path.after_step(stats)
        self.adversary.after_step(self.batch, stats)

    def show(self, network: nn.Module, faces: Faces, seeds: Sequence[int]) -> Tensor:
        generator = cast(Generator, network)
        draws = [torch.randn(generator.style_dim, generator=torch.Generator().manual_seed(seed)) for seed in seeds]
        z = torch.stack(draws).to(self.device)
        images: Tensor = generator(z, generator.seeded_noise(seeds))
        return images

    def _styles(self, count: int) -> Tensor:
        """w for each layer; some pictures change style at a random layer."""
        generator = self.generator
        z = torch.randn(2, count, generator.style_dim, device=self.device)
        first = generator.spread(generator.style(z[0]))
        if self.settings.mixing <= 0:
            return first
        second = generator.spread(generator.style(z[1]))
        mixed = torch.rand(count, device=self.device) < self.settings.mixing
        cut = torch.randint(1, generator.latents, (count,), device=self.device)
        cut = torch.where(mixed, cut, generator.latents)
        later = torch.arange(generator.latents, device=self.device) >= cut.unsqueeze(1)
        return torch.where(later.unsqueeze(2), second, first)

    def _fake(self, count: int) -> Tensor:
        images: Tensor = self._make(self._styles(count))
        return images

    def _fool(self, faces: Faces) -> Terms:
        return {"adversarial": self.adversary.fool(self._fake(len(faces)))}

    def _paths(self, faces: Faces) -> tuple[Tensor, Tensor]:
        ws = self._styles(max(1, round(len(faces) * self.settings.path_share)))
        return self.generator.synthesise(ws), ws
