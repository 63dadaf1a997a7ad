"""What a user may choose about a run besides restorer and board; the command line has the same names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bfrbench.errors import UsageError
from bfrbench.specs import Precision


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Choices; None leaves one to the board or the machine."""

    out: Path | None = None
    """Folder of the run (default: runs/BOARD/RESTORER)."""
    limit: int | None = None
    """Only the first N images; the result is marked partial."""
    metrics: tuple[str, ...] = ()
    """Only these metrics of the protocol; the result compares only with others so cut."""
    save_images: bool = False
    """Keep the restored images in OUT/images."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """Options of the restorer."""
    device: str | None = None
    """Where to compute (default: this process's GPU, else cpu)."""
    precision: Precision = "float32"
    """Where the restorer offers more than float32."""
    sample: int = 0
    """Which of its answers to take, for a restorer that has more than one."""
    point: float | None = None
    """Where on its perception-distortion curve to work, for a restorer that has one."""
    batch: int | None = None
    """Images restored together (default: the board's). Part of the run: results differ in their last bits."""
    shard: int | None = None
    """Images whose rows land together (default: the board's)."""
    threads: int | None = None
    """CPU threads of each process (default: the cores, 8 at most). Part of the run, as batch is."""
    readers: int = 2
    """Threads that read and degrade images; 0 reads, restores and scores one after the other."""
    time_limit: float | None = None
    """Seconds that a batch may take before its worker is stopped (default: the board's)."""
    memory_limit: float | None = None
    """GiB that the restorer's worker may grow to before it is started anew (default: 80 % of the machine)."""
    in_process: bool = False
    """Trust the restorer: no worker process, so no protection from hangs and crashes."""

    def __post_init__(self) -> None:
        if self.sample < 0:
            raise UsageError(f"sample is {self.sample}", "samples are counted from 0")
        for name in ("limit", "batch", "shard", "threads", "time_limit", "memory_limit"):
            value = getattr(self, name)
            if value is not None and value <= 0:
                raise UsageError(f"{name} is {value}", f"give a {name} above 0, or leave it out")

    @property
    def batches_ahead(self) -> int:
        """How far each stage runs ahead of the next."""
        return 2 if self.readers > 0 else 0
