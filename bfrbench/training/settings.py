"""What the `[task]` tables of every recipe share: how wide the networks are, and how the discriminator is held."""

from __future__ import annotations

from typing import Literal, TypeAlias

import pydantic

from bfrbench.config import Frozen
from bfrbench.nn import Discriminator
from bfrbench.training.config import Augmentation
from bfrbench.training.patch import PatchDiscriminator

Judge: TypeAlias = Discriminator | PatchDiscriminator


class AdversarialSettings(Frozen):
    """A recipe's table inherits these and sets its own defaults where its source does."""

    multiplier: pydantic.PositiveFloat = 2.0
    narrow: pydantic.PositiveFloat = 1.0
    style_dim: pydantic.PositiveInt = 512
    discriminator: Literal["stylegan2", "patch"] = "stylegan2"
    """stylegan2: one logit an image; patch: one a patch of 68 pixels, and no prior's discriminator to start from."""
    group: pydantic.PositiveInt | None = None
    """Images among which the discriminator sees how much they differ; None: the whole micro-batch."""
    augmentation: Augmentation = "none"
    r1_gamma: pydantic.NonNegativeFloat = 10.0
    r1_every: pydantic.PositiveInt = 16
    betas: tuple[float, float] = (0.0, 0.99)
    """Of Adam."""


def discriminator_of(size: int, settings: AdversarialSettings) -> Judge:
    """The discriminator that a table asks for, without training."""
    if settings.discriminator == "patch":
        return PatchDiscriminator(size, multiplier=settings.multiplier, narrow=settings.narrow)
    return Discriminator(size, multiplier=settings.multiplier, narrow=settings.narrow, group=settings.group)
