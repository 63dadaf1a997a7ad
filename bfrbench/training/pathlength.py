"""StyleGAN2's path-length regulariser: its phase and its running mean, the same for priors and what embeds them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from bfrbench.training import losses
from bfrbench.training.task import Faces, Phase, Terms


class PathLength:
    """Holds the paths of a network near their mean length; `draw` gives images and the w that they were made of.

    The mean moves once a step, by what all micro-batches of all processes have shown: it is the same everywhere, and
    one checkpoint holds it for all.
    """

    def __init__(
        self,
        network: str,
        draw: Callable[[Faces], tuple[Tensor, Tensor]],
        *,
        weight: float,
        every: int,
        device: torch.device,
    ) -> None:
        self.network, self.draw, self.weight, self.every = network, draw, weight, every
        self.mean = torch.zeros((), device=device)

    def phases(self) -> list[Phase]:
        if not self.weight:
            return []
        return [Phase("path", self.network, self._penalty, every=self.every, exact=True)]

    def _penalty(self, faces: Faces) -> Terms:
        lengths = losses.path_lengths(*self.draw(faces))
        penalty = losses.path_penalty(lengths, self.mean)
        return {"path": penalty * self.weight, "length": lengths.detach().mean()}

    def after_step(self, stats: Mapping[str, float]) -> None:
        length = stats.get("path/length", math.nan)
        if math.isfinite(length):  # not where the phase was off, or its step was bad
            self.mean = losses.path_mean(self.mean, length)

    def state(self) -> dict[str, Tensor]:
        return {"path-mean": self.mean}

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        self.mean = state["path-mean"].to(self.mean.device)
