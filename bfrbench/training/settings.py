"""What the `[task]` tables of every recipe share: how wide the networks are, and how the discriminator is held."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, TypeAlias

import pydantic
import torch

from bfrbench.config import Frozen
from bfrbench.errors import UsageError
from bfrbench.nn import Discriminator
from bfrbench.training import checkpoint, folder
from bfrbench.training.config import Augmentation
from bfrbench.training.judges import Perceptual
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


class PerceptualSettings(Frozen):
    """For tasks whose results are compared by a network that has seen many pictures."""

    perceptual: pydantic.NonNegativeFloat = 0.0
    perceptual_trunk: str | None = None
    """vgg19 (taken when none is named), vgg16, alexnet, squeezenet1.1, squeezenet1.1-keras, or LPIPS as it is:
    lpips-alex, lpips-vgg, lpips-squeeze. Its weights must be in the store."""
    style: pydantic.NonNegativeFloat = 0.0
    """Weight of the Gram matrices of the same features."""

    def perceptual_judge(self, device: torch.device) -> Perceptual | None:
        """What judges, or None where nothing of it counts."""
        if not self.perceptual and not self.style:
            return None
        return Perceptual(self.perceptual_trunk or "vgg19", device)


def start_from(prior: str | None, recipe: str, size: int, settings: AdversarialSettings) -> Path | None:
    """The file or checkpoint of the prior that a restorer starts from, of a run its last one now; None where the user
    wants none. A run of another shape is refused by what differs."""
    if prior == "":
        problem = "this recipe starts from a prior, and none is given"
        raise UsageError(problem, f"write --set task.prior=RUN, a run of {recipe}, or task.prior=none to do without")
    if prior in (None, "none"):
        return None
    if (file := Path(prior)).is_file():
        return file
    place = checkpoint.at(Path(prior), f"a run of {recipe}")
    if (run := checkpoint.run_of(place)) is not None and folder.holds_run(run):
        _refuse_other_shape(run, recipe, size, settings)
    return place


def _refuse_other_shape(run: Path, recipe: str, size: int, settings: AdversarialSettings) -> None:
    trained = folder.ordered(run)["recipe"]
    held = {"size": trained["size"], **trained["task"]}
    wanted = {"size": size, **{name: getattr(settings, name) for name in ("multiplier", "narrow", "style_dim")}}
    if other := [name for name, value in wanted.items() if name in held and held[name] != value]:
        there, here = (", ".join(f"{name} {of[name]:g}" for name in other) for of in (held, wanted))
        sets = " ".join(f"--set task.{name}={wanted[name]:g}" for name in other if name != "size")
        remedy = f"train {recipe}@{size} {sets}".strip()
        raise UsageError(f"the prior in {run} has {there}, and this recipe {here}", f"{remedy}, or change this recipe")


@contextmanager
def asked_for_shape() -> Iterator[None]:
    """What the shape of a network says of sizes and widths that it cannot have is the user's to mend."""
    try:
        yield
    except ValueError as error:
        raise UsageError(f"there is no such network ({error})", "choose another size or wider settings") from error


def discriminator_of(size: int, settings: AdversarialSettings) -> Judge:
    """The discriminator that a table asks for, without training."""
    with asked_for_shape():
        if settings.discriminator == "patch":
            return PatchDiscriminator(size, multiplier=settings.multiplier, narrow=settings.narrow)
        return Discriminator(size, multiplier=settings.multiplier, narrow=settings.narrow, group=settings.group)
