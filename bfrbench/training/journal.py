"""What a training says of itself: `stats.jsonl`, TensorBoard, sample grids, plain lines, events for trackers."""

from __future__ import annotations

import json
import sys
import time
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bfrbench import progress
from bfrbench.training.config import RunConfig
from bfrbench.training.task import Task
from bfrbench.training.validation import Validation

if TYPE_CHECKING:
    from torch import nn
    from torch.utils.tensorboard import SummaryWriter

    from bfrbench.plugins import PluginHost

STATS = "stats.jsonl"


class Journal:
    """Written by the first process alone (`active`); the others keep quiet.

    A resumed training drops the lines that were written after its checkpoint, so that the file is the one an
    uninterrupted training would have written.
    """

    def __init__(
        self, out: Path, run: RunConfig, host: PluginHost, *, active: bool, validation: Validation | None = None
    ) -> None:
        self.out, self.run, self.host, self.active, self.validation = out, run, host, active, validation
        self._sums: dict[str, list[float]] = defaultdict(list)
        self._images = self._said = 0
        self._board: SummaryWriter | None = None
        self._started = self._at = time.perf_counter()
        self._waited = 0.0

    def started(self, images: int) -> None:
        """Open the logs at a moment of the training."""
        self._images = self._said = images
        self._started = self._at = time.perf_counter()
        if not self.active:
            return
        from torch.utils.tensorboard import SummaryWriter

        _truncate(self.out / STATS, images)
        self._board = SummaryWriter(str(self.out / "tensorboard"), purge_step=images if images else None)
        self.event("started", images=images)

    def step(self, images: int, stats: dict[str, float], waited: float) -> None:
        """Take in a step; write a line when enough images have passed."""
        for name, value in stats.items():
            self._sums[name].append(value)
        self._waited += waited
        self._images = images
        if images // self.run.log_every > self._said // self.run.log_every or images >= self.run.images:
            self._write()

    def samples(self, images: int, task: Task, network: nn.Module) -> None:
        """A grid of a fixed set of faces: what went in, what came out, the truth."""
        if self.active and self.validation is not None:
            self.validation.grid(task, network, self.out / "samples" / f"{images:012d}.png")

    def validate(self, images: int, task: Task, network: nn.Module) -> float | None:
        """Score the averaged network on held-out faces; gives the number by which checkpoints are compared."""
        if not self.active or self.validation is None or self.validation.scorer is None:
            return None
        values = self.validation.score(task, network)
        self._record(images, {f"validation/{name}": value for name, value in values.items() if value is not None})
        score = values.get(self.run.best_by)
        return None if score is None else score * (1 if self.validation.higher_is_better(self.run.best_by) else -1)

    def event(self, what: str, **more: Any) -> None:
        """Tell the trackers, and the log when it is more than a tick."""
        if not self.active:
            return
        if what in ("bad step", "unreadable image"):
            print(f"{what} at {more['images']} images: {more.get('phase') or more.get('file')}", file=sys.stderr)
            self._append({"event": what, **more})
        self.host.call("bfrbench_on_event", event={"event": what, "out": str(self.out), **more})

    def finished(self, images: int) -> None:
        self.event("finished", images=images)
        if self._board:
            self._board.close()

    def _write(self) -> None:
        import torch

        now = time.perf_counter()
        seconds, images = max(now - self._at, 1e-9), self._images - self._said
        line = {name: sum(values) / len(values) for name, values in sorted(self._sums.items())}
        timing = {
            "images-per-second": images / seconds,
            "waiting-for-data": self._waited / seconds,
            "gpu-gib": torch.cuda.max_memory_allocated() / 2**30 if torch.cuda.is_available() else 0.0,
        }
        self._record(self._images, line, timing)
        if self.active and not progress.quiet():
            left = max(0, self.run.images - self._images) / timing["images-per-second"]
            short = "  ".join(f"{name} {value:.4g}" for name, value in line.items() if not name.endswith("/gradient"))
            rate, share = timing["images-per-second"], self._images / self.run.images
            print(f"{self._images} images ({share:.0%}), {rate:.1f}/s, {_clock(left)} left  {short}", file=sys.stderr)
        self._sums.clear()
        self._said, self._at, self._waited = self._images, now, 0.0

    def _record(self, images: int, line: dict[str, float], timing: dict[str, float] | None = None) -> None:
        if not self.active:
            return
        self._append({"images": images, **line, **({"timing": timing} if timing else {})})
        if self._board:
            for name, value in {**line, **{f"timing/{key}": v for key, v in (timing or {}).items()}}.items():
                self._board.add_scalar(name, value, images)
        self.host.call("bfrbench_on_event", event={"event": "stats", "images": images, "stats": line})

    def _append(self, line: dict[str, Any]) -> None:
        with (self.out / STATS).open("a", encoding="utf-8") as file:
            file.write(json.dumps(_plain(line)) + "\n")


def read_stats(out: Path) -> list[dict[str, Any]]:
    """Every whole line of a run's stats; a line cut off by a kill is left out."""
    path = out / STATS
    lines = []
    for text in path.read_text(encoding="utf-8").splitlines() if path.exists() else ():
        try:
            lines.append(json.loads(text))
        except json.JSONDecodeError:
            continue
    return lines


def _truncate(path: Path, images: int) -> None:
    from bfrbench import atomic

    if path.exists():
        kept = [line for line in read_stats(path.parent) if line["images"] <= images]
        atomic.write_text(path, "".join(json.dumps(line) + "\n" for line in kept))


def _plain(line: dict[str, Any]) -> dict[str, Any]:
    """JSON has no NaN: such numbers are written as their names."""
    return {k: repr(v) if isinstance(v, float) and v - v != 0 else v for k, v in line.items()}


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}"
