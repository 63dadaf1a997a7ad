"""The loop, from top to bottom: feed, phases, average, checkpoint, log. The clock counts images.

Whatever is random inside a micro-batch follows from (seed, step, phase, number of the micro-batch), so a resumed run
equals an uninterrupted one, and two processes draw what one would have drawn with twice the accumulation.
"""

from __future__ import annotations

import math
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import clip_grads_with_norm_, get_total_norm

from bfrbench.errors import Diverged, InputError
from bfrbench.precision import exact_float32
from bfrbench.stopping import Stopping
from bfrbench.training import checkpoint
from bfrbench.training.config import RunConfig
from bfrbench.training.ema import Average
from bfrbench.training.feeding import Feed, Step
from bfrbench.training.journal import Journal
from bfrbench.training.ranks import Ranks, means
from bfrbench.training.task import Faces, Phase, Task

Seen = dict[str, list[Tensor]]
"""The terms of a step's losses, and the sizes of its gradients, where they were computed."""


@dataclass
class Clock:
    """Where a training is, and what its course has been so far."""

    images: int = 0
    steps: int = 0
    bad_steps: int = 0
    """Steps skipped for NaN or infinity."""
    bad_running: dict[str, int] = field(default_factory=dict)
    """Of each phase, how many steps running were bad until now."""
    unreadable: list[str] = field(default_factory=list)
    best: float | None = None
    best_place: str | None = None


class Trainer:
    """Everything a training holds while it runs."""

    def __init__(
        self, task: Task, run: RunConfig, feed: Feed, ranks: Ranks, device: torch.device, journal: Journal, out: Path
    ) -> None:
        self.task, self.run, self.feed, self.ranks, self.device = task, run, feed, ranks, device
        self.journal, self.out = journal, out
        self.phases = list(task.phases())
        self.average = Average(task.networks[task.averaged], run.ema_half_life)
        task.follow(self.average.network)
        self.scaler = torch.amp.GradScaler(device.type, enabled=run.precision == "float16")
        self.rates = {name: [group["lr"] for group in o.param_groups] for name, o in task.optimisers.items()}
        self.clock = Clock()
        self.sound = True
        """Whether the step in hand, or the last one, had no phase with NaN or infinity: its weights are good."""
        self.owed = False
        """Whether a checkpoint is due."""
        ranks.share(t for net in task.networks.values() for t in (*net.parameters(), *net.buffers()))

    def train(self) -> None:
        """From wherever the clock stands to the end, or to the first sound step at whose end it is asked to stop."""
        steps = self.feed(self.clock.images)
        self.journal.started(self.clock.images)
        with Stopping("step") as stopping:
            while self.clock.images < self.run.images:
                asked = self._step(steps, stopping)
                if asked and self.sound and self.clock.images < self.run.images:
                    self._interrupted()
        self._keep()
        self.journal.finished(self.clock.images)

    def _step(self, steps: Iterator[Step], stopping: Stopping) -> bool:
        """One step from its images to the log; whether any process was asked to stop by then."""
        run, clock, self.sound = self.run, self.clock, True
        waited = time.perf_counter()
        micro_batches = next(steps)
        waited = time.perf_counter() - waited
        unreadable = [name for _, _, names in micro_batches for name in names]

        self._set_rates()
        seen: Seen = defaultdict(list)
        for index, phase in enumerate(self.phases):
            if clock.steps % phase.every == 0 and phase.when():
                self._descend(index, phase, [(number, faces) for number, faces, _ in micro_batches], seen)
        here = (numbers(seen), unreadable, stopping.asked.is_set())
        seens, bad, asked = zip(*self.ranks.gather(here), strict=True)
        stats = means(seens)
        self._note_unreadable(name for names in bad for name in names)

        clock.images += run.batch
        clock.steps += 1
        self.task.after_step(clock.images, stats)
        self.average.follow(self.task.networks[self.task.averaged], run.batch, clock.images)
        self.journal.step(clock.images, stats, waited)
        self._at_intervals()
        return any(asked)

    def _interrupted(self) -> None:
        """Between two steps, where all that a checkpoint holds belongs together."""
        self._keep()
        self.ranks.wait()  # a launcher ends the others as soon as one is gone
        raise KeyboardInterrupt

    def _descend(self, index: int, phase: Phase, micro_batches: list[tuple[int, Faces]], seen: Seen) -> None:
        """One optimiser's step: gradients of every micro-batch, averaged over processes, guarded, applied.

        Some micro-batches, or all of one process, may have nothing to learn from; every process averages all the same.
        """
        optimiser = self.task.optimisers[phase.network]
        parameters = _only(self.task.networks, phase.network)
        optimiser.zero_grad(set_to_none=True)
        share = phase.every / len(micro_batches)
        for number, faces in micro_batches:
            torch.manual_seed(_key(self.run.seed, self.clock.steps, index, number))
            with exact_float32() if self._in_float32(phase) else nullcontext():
                with self._precision(phase):
                    terms = phase.loss(faces)
                if not terms:
                    continue
                loss = torch.stack([term.float() for term in terms.values()]).sum()
                self.scaler.scale(loss * share).backward()  # type: ignore[no-untyped-call]
            for name, term in terms.items():
                seen[f"{phase.name}/{name}"].append(term.detach())
        self.ranks.average_gradients(parameters)
        if all(parameter.grad is None for parameter in parameters):
            return
        self.scaler.unscale_(optimiser)
        norm = get_total_norm(p.grad for p in parameters if p.grad is not None)
        seen[f"{phase.name}/gradient"].append(norm)
        if math.isfinite(norm):  # waits for the GPU, as little else in a phase does
            if self.run.clip is not None:
                clip_grads_with_norm_(parameters, self.run.clip, norm)
            optimiser.step()
            self.clock.bad_running[phase.name] = 0
        else:
            self._skip(phase)
        self.scaler.update()

    def _skip(self, phase: Phase) -> None:
        clock, self.sound = self.clock, False
        clock.bad_steps += 1
        running = clock.bad_running[phase.name] = clock.bad_running.get(phase.name, 0) + 1
        self.journal.event("bad step", images=clock.images, phase=phase.name, skipped=clock.bad_steps)
        if running >= self.run.bad_steps:
            raise self._diverged(phase.name)

    def _diverged(self, phase: str) -> Diverged:
        kept = checkpoint.all_of(self.out)
        where = f"resume from {kept[-1].name} images" if kept else "start again"
        problem = f"{self.clock.bad_running[phase]} steps running gave NaN or infinity in phase {phase!r}"
        remedy = f"{where} (--resume --change) with a lower learning rate, clipping (run.clip) or more R1"
        return Diverged(f"{problem}, the last at {self.clock.images} images", remedy)

    def _precision(self, phase: Phase) -> AbstractContextManager[object]:
        if self._in_float32(phase):
            return nullcontext()
        return torch.autocast(self.device.type, dtype=getattr(torch, self.run.precision))

    def _in_float32(self, phase: Phase) -> bool:
        return phase.exact or self.run.precision == "float32"

    def _set_rates(self) -> None:
        halvings = sum(self.clock.images >= at for at in self.run.halve_lr_at)
        for name, optimiser in self.task.optimisers.items():
            for group, rate in zip(optimiser.param_groups, self.rates[name], strict=True):
                group["lr"] = rate * 0.5**halvings

    def _note_unreadable(self, names: Iterable[str]) -> None:
        for name in names:
            if name not in self.clock.unreadable:
                self.clock.unreadable.append(name)
                self.journal.event("unreadable image", images=self.clock.images, file=name)
        if len(self.clock.unreadable) > self.run.unreadable:
            problem = f"{len(self.clock.unreadable)} images cannot be read, the last {self.clock.unreadable[-1]}"
            raise InputError(
                problem, "mend the data set (bfrbench datasets verify), or raise run.unreadable, and resume"
            )

    def _at_intervals(self) -> None:
        images, batch, run = self.clock.images, self.run.batch, self.run
        if _due(images, batch, run.sample_every) and self.ranks.first:
            self.journal.samples(images, self.task, self.average.network)
        if _due(images, batch, run.validate_every) and self.ranks.first:
            self._validate()
        self.owed = self.owed or _due(images, batch, run.checkpoint_every)
        if self.owed and self.sound:  # bad steps may be the end, and drive out what was kept before them
            self.save()

    def _validate(self) -> None:
        """The best is the best of what is kept, so what a bad step left behind is not in question."""
        score = self.journal.validate(self.clock.images, self.task, self.average.network)
        if score is not None and self.sound and (self.clock.best is None or score > self.clock.best):
            self.clock.best = score
            self.clock.best_place = checkpoint.folder(self.out, self.clock.images).name
            self.owed = True

    def _keep(self) -> None:
        """A checkpoint of this moment, unless there is one."""
        if not checkpoint.folder(self.out, self.clock.images).exists():
            self.save()

    def save(self) -> None:
        """A checkpoint of this moment, by the first process."""
        self.owed = False
        if self.ranks.first:
            state = {"clock": vars(self.clock), **conditions(self.run, self.ranks, self.device)}
            checkpoint.save(self.out, self.clock.images, self.task, self.average, self.scaler.state_dict(), state)
            best = checkpoint.folder(self.out, int(self.clock.best_place)) if self.clock.best_place else None
            every = self.run.milestone_every
            checkpoint.prune(self.out, keep_last=self.run.keep_last, milestone_every=every, best=best)

    def resume(self, place: Path) -> dict[str, Any]:
        """Continue from a checkpoint; gives its recorded conditions."""
        scaler, state = checkpoint.load(place, self.task, self.average, self.device)
        self.scaler.load_state_dict(scaler)
        self.clock = Clock(**state.pop("clock"))
        return state


def conditions(run: RunConfig, ranks: Ranks, device: torch.device) -> dict[str, Any]:
    """What must be equal for a resume to be equal to the bit."""
    return {
        "processes": ranks.world,
        "threads": torch.get_num_threads(),
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu",
        "torch": torch.__version__,
        "micro_batch": run.micro_batch or run.batch // ranks.world,
    }


def _due(images: int, batch: int, every: int) -> bool:
    """Whether the last batch crossed a multiple of `every`."""
    return images // every > (images - batch) // every


def _only(networks: dict[str, nn.Module], name: str) -> list[nn.Parameter]:
    """Let one network learn and hold the others still; gives its learning parameters.

    A parameter that a task froze for good keeps `requires_grad` False through its mark `frozen`.
    """
    for other, network in networks.items():
        for parameter in network.parameters():
            parameter.requires_grad_(other == name and not getattr(parameter, "frozen", False))
    return [parameter for parameter in networks[name].parameters() if parameter.requires_grad]


def numbers(seen: Seen) -> dict[str, list[float]]:
    """What a step has seen, fetched from its device at once: each fetch waits for all that was asked of a GPU."""
    values = iter(torch.stack([value.float() for some in seen.values() for value in some]).tolist() if seen else ())
    return {name: [next(values) for _ in some] for name, some in seen.items()}


def _key(seed: int, step: int, phase: int, number: int) -> int:
    """A 63-bit seed for one micro-batch of one phase of one step."""
    import hashlib

    word = hashlib.blake2b(f"{seed}/{step}/{phase}/{number}".encode(), digest_size=8).digest()
    return int.from_bytes(word, "little") >> 1
