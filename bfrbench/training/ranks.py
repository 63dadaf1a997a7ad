"""Processes under torchrun: who am I, equal starts, averaged gradients. By hand, as StyleGAN2 and EDM do.

DistributedDataParallel and Fabric break double backward (docs/training.md says what was tried).
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor, distributed, nn

from bfrbench.devices import refuse_unusable
from bfrbench.errors import UsageError

T = TypeVar("T")


@dataclass(frozen=True)
class Ranks:
    """This process's place among those that train together."""

    rank: int = 0
    world: int = 1

    @property
    def first(self) -> bool:
        return self.rank == 0

    def average_gradients(self, parameters: Sequence[nn.Parameter]) -> None:
        """Every process gets the mean of all processes' gradients. Where a process has none it counts as zero; where
        no process has any there is none afterwards, as one process alone would have it."""
        if self.world == 1 or not parameters:
            return
        known = [parameter.grad is not None for parameter in parameters]
        gradients = [torch.zeros_like(p) if p.grad is None else p.grad for p in parameters]
        flat = torch.cat([*(gradient.flatten() for gradient in gradients), gradients[0].new_tensor(known)])
        distributed.all_reduce(flat)
        flat /= self.world
        sizes = [gradient.numel() for gradient in gradients]
        *means, anywhere = torch.split(flat, [*sizes, len(sizes)])
        for parameter, gradient, mean, found in zip(parameters, gradients, means, anywhere.tolist(), strict=True):
            parameter.grad = gradient.copy_(mean.view_as(gradient)) if found else None

    def share(self, tensors: Iterable[Tensor]) -> None:
        """The first process's values everywhere."""
        if self.world > 1:
            for tensor in tensors:
                distributed.broadcast(tensor, src=0)

    def gather(self, value: T) -> list[T]:
        """What each process gives, in their order, for all of them."""
        found = [value] * self.world
        if self.world > 1:
            distributed.all_gather_object(found, value)
        return found

    def wait(self) -> None:
        if self.world > 1:
            distributed.barrier()


def means(seen: Iterable[Mapping[str, Sequence[float]]]) -> dict[str, float]:
    """The mean of all that the processes have seen under each name; they need not have seen the same names."""
    together: dict[str, list[float]] = defaultdict(list)
    for here in seen:
        for name, values in here.items():
            together[name].extend(values)
    return {name: sum(values) / len(values) for name, values in together.items()}


@contextmanager
def ranks(device: str) -> Iterator[tuple[Ranks, torch.device]]:
    """Join the other processes (if torchrun started this one) and leave them at the end."""
    refuse_unusable(device)
    world = int(os.environ.get("WORLD_SIZE", "1"))
    if world == 1:
        _refuse_slurm_alone()
        if device.startswith("cuda:"):
            torch.cuda.set_device(device)
        yield Ranks(), torch.device(device)
        return
    if device.startswith("cuda:"):
        raise UsageError(f"{world} processes would share {device}", "give --device cuda: each takes a GPU of its own")
    local = int(os.environ.get("LOCAL_RANK", "0"))
    if device == "cuda" and local >= torch.cuda.device_count():
        problem = f"process {local} of this machine has no GPU of its own ({torch.cuda.device_count()} here)"
        raise UsageError(problem, "start torchrun with --nproc-per-node no larger than the number of GPUs")
    chosen = torch.device("cuda", local) if device == "cuda" else torch.device(device)
    if chosen.type == "cuda":
        torch.cuda.set_device(chosen)
    distributed.init_process_group("nccl" if chosen.type == "cuda" else "gloo")
    try:
        yield Ranks(distributed.get_rank(), distributed.get_world_size()), chosen
    finally:
        distributed.destroy_process_group()


def _refuse_slurm_alone() -> None:
    """Processes that Slurm started do not know each other: each would train alone."""
    count = os.environ.get("SLURM_STEP_NUM_TASKS", "1")  # of srun's step; a batch script is one process
    if "RANK" not in os.environ and count.isdigit() and int(count) > 1:
        problem = f"Slurm started {count} processes, and the processes of a training are torchrun's"
        raise UsageError(problem, "start one task a node, and in it torchrun (docs/training.md)")
