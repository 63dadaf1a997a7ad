"""What would fail in the middle of a training, or silently never happen, said before it starts."""

from __future__ import annotations

from typing import Any

from bfrbench.errors import UnknownName, UsageError
from bfrbench.nn import Discriminator
from bfrbench.training.config import RunConfig
from bfrbench.training.task import Task


def micro_batch(run: RunConfig, processes: int) -> int:
    """Images of one forward pass on one process."""
    micro = run.micro_batch or run.batch // processes
    if not micro or run.batch % (micro * processes):
        problem = f"a batch of {run.batch} does not divide into {processes} × {micro or 1} images"
        raise UsageError(problem, "choose run.batch as a multiple of processes × run.micro_batch")
    return micro


def refuse_groups(task: Task, micro: int) -> None:
    """A discriminator that compares the images of a group needs whole groups."""
    for network in task.networks.values():
        group = network.group if isinstance(network, Discriminator) else None
        if group is not None and micro > group and micro % group:
            problem = f"{micro} images at a time do not divide into the discriminator's groups of {group}"
            raise UsageError(problem, "make run.batch (or run.micro_batch) a multiple of task.group")


def refuse_moving_targets(task: Task, recipe: Any, *, labelled: bool) -> None:
    """Two views of a face are compared with each other, and labels are of the face as its set has it. A recipe that a
    plugin makes from code and that does not say what it does to its target may do anything."""
    name = getattr(recipe, "name", type(recipe).__name__)
    if task.views > 1 and getattr(recipe, "touches_target", True):
        problem = f"{name} may change its target by chance, and this task compares two degradations of one target"
        raise UsageError(problem, "choose another degradation, or one view (task.two_views=false)")
    if labelled and getattr(recipe, "moves_target", True):
        problem = f"{name} may flip or move its target, and this task's labels are of faces as their set has them"
        raise UsageError(problem, "choose another degradation; run.flip=true mirrors faces with their labels")


def refuse_best_by(run: RunConfig) -> None:
    """The best checkpoint is found by a metric that the validation has."""
    from bfrbench.metrics import load_protocol

    known = [metric.name for metric in load_protocol(run.protocol).metrics]
    if run.best_by not in known:
        raise UnknownName(f"metric in run.protocol {run.protocol} for run.best_by", run.best_by, known)
