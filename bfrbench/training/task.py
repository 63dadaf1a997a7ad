"""What a recipe trains: networks, their optimisers, and the phases of a step. The loop knows nothing else of it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, TypeAlias

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    import numpy.typing as npt
    import torch
    from torch import Tensor, nn

    from bfrbench.config import Frozen
    from bfrbench.contracts import Sample
    from bfrbench.data import Samples
    from bfrbench.training.sampler import Place

Terms: TypeAlias = "dict[str, Tensor]"
"""Named parts of a loss, each a scalar; their sum is what a phase descends, and the step's stats have the mean of each
as `phase/name`. A detached part is there to be watched only. Empty: nothing in these faces to learn from, on this
process alone."""


@dataclass(frozen=True)
class Faces:
    """One micro-batch as tasks see it: float32 in [-1, 1], N×3×H×W. Priors have no `lq`; `second` is another
    degradation of the same faces, for tasks that ask for two views; `labels` are what the task's labeller gave of
    each face, stacked, of the labeller's own types."""

    gt: Tensor
    lq: Tensor | None = None
    second: Tensor | None = None
    labels: Mapping[str, Tensor] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.gt)


class Labeller(Protocol):
    """Gives the labels of a face in the worker that reads it, so it must pickle; every face has the same names.

    The sample is as the network sees it, of the model's size and mirrored or not, with its points and pose.
    What the labeller reads elsewhere it mirrors itself.
    """

    def __call__(self, sample: Sample, place: Place, *, mirrored: bool) -> Mapping[str, npt.NDArray[np.generic]]: ...


@dataclass(frozen=True)
class Phase:
    """One optimiser's part of a step."""

    name: str
    network: str
    """Whose parameters learn; those of all other networks are held still."""
    loss: Callable[[Faces], Terms]
    every: int = 1
    """Runs on every n-th step; what it returns is multiplied by n, as lazy regularisation does."""
    exact: bool = False
    """Runs in float32 and eager, whatever the precision: for losses that differentiate twice."""
    when: Callable[[], bool] = lambda: True
    """Whether it runs at this step at all, which every process must answer alike."""

    def only(self, when: Callable[[], bool]) -> Phase:
        """The phase as it is, at the steps at which `when` holds too."""
        return replace(self, when=lambda: self.when() and when())


@dataclass(frozen=True)
class TaskContext:
    """What a task is built from."""

    size: int
    settings: Mapping[str, Any]
    device: torch.device
    batch: int
    images: int
    """Length of the training, for tasks that have stages and say so (`Task.staged`)."""
    compile: bool = False
    from_prior: bool = True
    """Whether networks start from the task's prior, if it has one; else other weights will take their place."""


class Task(ABC):
    """Built by a recipe's target from a TaskContext."""

    Settings: ClassVar[type[Frozen]]
    averaged: ClassVar[str]
    """The network whose moving average is the result."""
    views: int
    """Degradations of each face that a micro-batch brings: 0 for a prior, 1, or 2."""

    shows_labels: ClassVar[bool] = False
    """Whether `show` needs the labels of the faces, because they are what the network sees."""

    goes_on: ClassVar[bool] = True
    """Whether a result can be trained further (`run.weights`): whether it holds the network that is averaged."""

    staged: ClassVar[bool] = False
    """Whether the course of the training depends on its length, so that a longer one is another from the start."""

    started_from: Path | None = None
    """The file or checkpoint of a prior that its networks started from, for the card."""

    networks: dict[str, nn.Module]
    optimisers: dict[str, torch.optim.Optimizer]

    @abstractmethod
    def __init__(self, context: TaskContext) -> None: ...

    @property
    def loss_networks(self) -> tuple[str, ...]:
        """Networks that judge in a loss, for the card: a metric on one of them is flagged on boards."""
        return ()

    @abstractmethod
    def phases(self) -> Sequence[Phase]: ...

    def labeller(self, sets: Sequence[Samples]) -> Labeller | None:
        """What labels the faces of these data sets; None for tasks that learn from images alone."""
        return None

    @abstractmethod
    def show(self, network: nn.Module, faces: Faces, seeds: Sequence[int]) -> Tensor:
        """What the averaged network makes of faces (or of seeds), in [-1, 1]."""

    def state(self) -> dict[str, Tensor]:
        """What must survive a resume besides networks and optimisers, such as a running path length."""
        return {}

    def load_state(self, state: Mapping[str, Tensor]) -> None:  # noqa: B027 - a task without state has none to load
        """Take back what `state` gave."""

    def after_step(self, images: int, stats: dict[str, float]) -> None:  # noqa: B027 - most tasks have no schedule
        """Called when a step is done: schedules, adaptive augmentation, stages.

        `stats` are means over all micro-batches of all processes. State that must be the same in every process follows
        them and `images`, never what one process saw. What is added here is logged with them.
        """

    def follow(self, average: nn.Module) -> None:  # noqa: B027 - most tasks do not learn from it
        """Told once of the moving average, for tasks that take it as their teacher."""

    def describe(self) -> dict[str, Any]:
        """What the tensors do not tell of the network's shape, for the header of the weights file."""
        return {}

    def result(self, network: nn.Module) -> dict[str, Tensor]:
        """The tensors of the weights file, under the names that the restorer reads."""
        return network.state_dict()
