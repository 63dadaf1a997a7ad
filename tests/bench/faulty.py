"""A plugin whose restorers and metrics fail in every way that they fail: copied out and installed by the tests."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
import time

from bfrbench import Batch, MetricSpec, RestorerContext, RestorerSpec, hookimpl
from bfrbench.config import Frozen
from bfrbench.contracts import Row
from bfrbench.metrics.finaliser import Context, Finaliser, Value
from bfrbench.metrics.kind import Kind

HURT = "3"
"""Images whose id ends so are the ones that are hurt."""


def _hurt(batch: Batch) -> bool:
    return any(image_id.endswith(HURT) for image_id in batch.ids)


class Fault:
    def __init__(self, context: RestorerContext) -> None:
        self.every = bool(context.options.get("every", False))
        self.kept: list[object] = []

    def restore(self, batch: Batch):
        if self.every or _hurt(batch):
            return self.fail(batch)
        return batch.lq.clone()

    def fail(self, batch: Batch): ...


class Nan(Fault):
    def fail(self, batch: Batch):
        out = batch.lq.clone()
        for index, image_id in enumerate(batch.ids):
            if image_id.endswith(HURT):
                out[index, 0, 0, 0] = float("nan")
        return out


class Mixed(Fault):
    """Raises for ids ending in 1, gives NaN for 3 and another shape for 6."""

    def restore(self, batch: Batch):
        ends = {image_id[-1] for image_id in batch.ids}
        if "1" in ends:
            raise ValueError("I do not like this face")
        if "6" in ends:
            return batch.lq[..., 1:]
        return Nan.fail(self, batch)


class Hangs(Fault):
    """Waits for a program of its own, in a session of its own, that hangs."""

    def fail(self, batch: Batch):
        subprocess.run(["sleep", "3599.25"], start_new_session=True)


class Segfaults(Fault):
    def fail(self, batch: Batch):
        ctypes.string_at(0)


class Leaves(Fault):
    def fail(self, batch: Batch):
        sys.exit(0)


class Leaks(Fault):
    def restore(self, batch: Batch):
        self.kept.append(b"x" * (80 << 20))
        return batch.lq.clone()


class NeedsMemory(Fault):
    def restore(self, batch: Batch):
        if len(batch.ids) > 2:
            raise RuntimeError("CUDA out of memory. Tried to allocate 20.00 GiB")
        return batch.lq.clone()


class Slow(Fault):
    """Right, deterministic in the batch it is given, and slow enough to be killed."""

    def restore(self, batch: Batch):
        time.sleep(float(os.environ.get("FAULTY_SECONDS", "0.05")))
        return (batch.lq - 0.1 * batch.lq.mean((0, 1, 2, 3), keepdim=True)).clamp(0, 1)


class CannotBeMade:
    def __init__(self, context: RestorerContext) -> None:
        raise OSError("no such network")


class Undecided:
    """Not faulty: it has an answer for every seed, and lies between its input (0) and the seed's noise on grey (1)."""

    def __init__(self, context: RestorerContext) -> None: ...

    def restore(self, batch: Batch):
        import torch

        point = 0.5 if batch.point is None else batch.point
        noise = [
            torch.randn(batch.lq.shape[1:], generator=torch.Generator().manual_seed(seed % 2**31))
            for seed in batch.seeds
        ]
        return ((1 - point) * batch.lq + point * (0.5 + 0.02 * torch.stack(noise))).clamp(0, 1)


_KINDS = (Mixed, Nan, Hangs, Segfaults, Leaves, Leaks, NeedsMemory, Slow, CannotBeMade)


@hookimpl
def bfrbench_restorers() -> list[RestorerSpec]:
    return [
        RestorerSpec(
            id=f"faulty-{kind.__name__.lower()}",
            target=f"{__name__}:{kind.__name__}",
            summary="Fails.",
            licence="Apache-2.0",
            trained_on=(),
            options={"every": "hurt every image"},
        )
        for kind in _KINDS
    ] + [
        RestorerSpec(
            id="undecided",
            target=f"{__name__}:Undecided",
            summary="Has more than one answer.",
            licence="Apache-2.0",
            trained_on=(),
            samples=True,
            points=(0.0, 1.0),
        )
    ]


class JudgeChoices(Frozen):
    """How a metric fails."""

    raises: str = "never"
    """`hurt`: on images whose id ends in 3; `always`; `together`: on more than one image at once; `lost`: as a GPU does
    that is lost."""
    holds: int = 1000
    """Images that fit into memory."""
    seconds: float = 0.0
    """That one distance takes."""


class Judge(Kind[JudgeChoices]):
    """The mean level of the restored image, and how far apart such levels lie."""

    Choices = JudgeChoices

    def open(self, store: object, device: str) -> Judge:
        return self

    def rows(self, batch):
        how, count = self.choices, len(batch.ids)
        if count > how.holds:
            raise RuntimeError("CUDA out of memory. Tried to allocate 20.00 GiB")
        if how.raises == "lost":
            import torch

            raise torch.AcceleratorError("CUDA error: an illegal memory access was encountered")
        hurt = how.raises == "hurt" and _hurt(batch)
        if hurt or how.raises == "always" or (how.raises == "together" and count > 1):
            raise IndexError("no such landmark")
        return [Row(name, value=float(one.mean())) for name, one in zip(batch.ids, batch.restored, strict=True)]

    @property
    def finaliser(self) -> Finaliser:
        return super().finaliser if not self.choices.seconds else Spread(self.choices.seconds)


class Spread(Finaliser):
    """A slow distance: of the levels from their mean."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def fold(self, rows):
        return [row.value for row in rows if row.status == "ok"]

    def merge(self, first, second):
        return first + second

    def value(self, state, context: Context) -> Value:
        time.sleep(self.seconds)
        mean = sum(state) / len(state)
        return Value(sum(abs(value - mean) for value in state) / len(state), len(state))


@hookimpl
def bfrbench_metrics() -> list[MetricSpec]:
    facts = {"summary": "Fails.", "higher_is_better": True}
    return [MetricSpec(id="judge", target=f"{__name__}:Judge", **facts)]
