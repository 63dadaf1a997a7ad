"""The smallest task there is, y = weight · x, for tests of the loop: fast, and every gradient can be told by heart."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from bfrbench.config import Frozen
from bfrbench.plugins import PluginHost
from bfrbench.training.config import RunConfig
from bfrbench.training.feeding import Step
from bfrbench.training.journal import Journal
from bfrbench.training.loop import Trainer
from bfrbench.training.ranks import Ranks
from bfrbench.training.task import Faces, Phase, Task, Terms


class Slope(Task):
    """Descends weight · x at a rate of one, so that a step moves the weight by minus the mean of x; a nothing, 0, has
    no terms. Beside the weight stands one that no loss ever reaches."""

    Settings = Frozen
    averaged = "slope"
    views = 0

    def __init__(self) -> None:
        self.network = nn.Linear(1, 1, bias=False)
        nn.init.zeros_(self.network.weight)
        self.network.idle = nn.Parameter(torch.ones(1))
        self.networks = {"slope": self.network}
        self.optimisers = {"slope": torch.optim.SGD(self.network.parameters(), lr=1.0, momentum=0.5)}

    @property
    def weight(self) -> float:
        return float(self.network.weight.detach())

    def phases(self) -> list[Phase]:
        return [Phase("slope", "slope", self.lose)]

    def lose(self, faces: Faces) -> Terms:
        x = faces.gt.mean()
        return {"product": (self.network.weight * x).sum()} if x else {}

    def show(self, network: nn.Module, faces: Faces, seeds: Sequence[int]) -> Tensor:
        return faces.gt


def trainer(
    task: Task,
    steps: Sequence[Sequence[float]],
    out: Path,
    *,
    ranks: Ranks | None = None,
    journal: Any = None,
    **run: Any,
) -> Trainer:
    """A trainer of this task that is fed these numbers, one a micro-batch; each step counts as one image."""
    ranks = ranks or Ranks()
    config = RunConfig.model_validate({"images": len(steps), "batch": 1, "checkpoint_every": 10**6, **run})
    journal = journal or Journal(out, config, PluginHost({}), active=False)
    return Trainer(task, config, _fed(steps, ranks), ranks, torch.device("cpu"), journal, out)  # type: ignore[arg-type]


def _fed(steps: Sequence[Sequence[float]], ranks: Ranks) -> Callable[[int], Iterator[Step]]:
    def feed(images: int) -> Iterator[Step]:
        for step in steps[images:]:
            faces = [Faces(torch.full((1, 3, 4, 4), x)) for x in step]
            yield [(index * ranks.world + ranks.rank, each, ()) for index, each in enumerate(faces)]

    return feed
