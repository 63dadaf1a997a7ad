"""The discriminator's side of a training, the same for priors and restorers: its phases, R1, and augmentation."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

from bfrbench.training import losses
from bfrbench.training.augment import Augment
from bfrbench.training.config import Augmentation
from bfrbench.training.task import Faces, Phase, Terms

Maker = Callable[[Faces], Tensor]


class Adversary:
    """A discriminator that tells real faces from what `make` makes of a micro-batch.

    R1 is taken where the discriminator looks, at the augmented images: resampling has no double backward on every
    device, and the penalty then holds on the very images that are judged.
    """

    def __init__(
        self,
        discriminator: nn.Module,
        make: Maker,
        *,
        gamma: float,
        every: int = 16,
        augmentation: Augmentation = "none",
        compile: bool = False,
    ) -> None:
        self.discriminator, self.make = discriminator, make
        self.gamma, self.every = gamma, every
        self.augment = Augment(augmentation)
        self._judge: Callable[[Tensor], Tensor] = torch.compile(discriminator) if compile else discriminator

    def phases(self) -> list[Phase]:
        plain = Phase("discriminator", "discriminator", self._tell_apart)
        if self.gamma <= 0:
            return [plain]
        return [plain, Phase("r1", "discriminator", self._penalty, every=self.every, exact=True)]

    def fool(self, fake: Tensor) -> Tensor:
        """The generator's loss: what makes the discriminator take its images for real."""
        return losses.generator_logistic(self._judge(self.augment(fake)))

    def _tell_apart(self, faces: Faces) -> Terms:
        with torch.no_grad():
            fake = self.make(faces)
        real_logits = self._judge(self.augment(faces.gt))
        logistic = losses.discriminator_logistic(real_logits, self._judge(self.augment(fake)))
        return {"logistic": logistic, "sign-real": real_logits.detach().sign().mean()}

    def _penalty(self, faces: Faces) -> Terms:
        return {"r1": losses.r1(self._mean_logit, self.augment(faces.gt)) * (self.gamma / 2)}

    def _mean_logit(self, images: Tensor) -> Tensor:
        """One number an image, also where the discriminator judges patches."""
        logits: Tensor = self.discriminator(images)
        return logits.flatten(1).mean(dim=1)

    def after_step(self, batch: int, stats: dict[str, float]) -> None:
        """Let ADA's strength follow how sure the discriminator is of real images, wherever they were judged."""
        if "discriminator/sign-real" in stats:
            self.augment.adapt(stats["discriminator/sign-real"], batch)
            if self.augment.kind == "ada":
                stats["discriminator/ada"] = self.augment.strength

    def state(self) -> dict[str, Tensor]:
        return {"augment-strength": torch.tensor(self.augment.strength, dtype=torch.float64)}

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        self.augment.strength = float(state["augment-strength"])
