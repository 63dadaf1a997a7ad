"""Which of several processes this one is: what torchrun or Slurm says in the environment, else the only one."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from bfrbench.devices import refuse_unusable

_NAMES = (("RANK", "WORLD_SIZE", "LOCAL_RANK"), ("SLURM_PROCID", "SLURM_NTASKS", "SLURM_LOCALID"))


@dataclass(frozen=True, slots=True)
class Rank:
    """This process among those that were started together."""

    index: int = 0
    count: int = 1
    local: int = 0

    @property
    def speaks(self) -> bool:
        """Only the first prints progress and tables."""
        return self.index == 0


def this_rank() -> Rank:
    for names in _NAMES:
        texts = [os.environ.get(name, "") for name in names]
        if all(text.isdigit() for text in texts):
            return Rank(*(int(text) for text in texts))
    return Rank()


def device_of(rank: Rank, wanted: str | None) -> str:
    """The device of this process: what was asked for, else its own GPU, else the CPU."""
    import torch

    if wanted:
        refuse_unusable(wanted)
    if wanted and wanted != "cuda":
        return wanted
    count = torch.cuda.device_count()
    return f"cuda:{rank.local % count}" if count else "cpu"


def device_name(device: str) -> str:
    """What the device is called by its maker."""
    import platform

    import torch

    if device.startswith("cuda"):
        return torch.cuda.get_device_name(device)
    return f"{_cpu()} ({platform.machine()})" if device == "cpu" else device


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else "CPU"
