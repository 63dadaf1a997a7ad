"""One batch through a restorer: 8-bit images in, 8-bit images out, and what became of each.

An answer is quantised here, where it was made, so that a worker process sends back bytes and not floats. What to
do when a whole batch fails is the business of `recovery`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal, Protocol

from bfrbench.contracts import Batch, Status
from bfrbench.devices import is_lost, is_out_of_memory
from bfrbench.errors import BadShape, RestorerError
from bfrbench.metrics.cost import count_macs, count_parameters

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from torch import Tensor

    from bfrbench.restorers import LoadedRestorer

    U8Batch = npt.NDArray[np.uint8]
    """N×H×W×3, RGB."""


_BESIDE = 0.1
"""How far beside [0, 1] a value may lie as an overshoot of the right range."""
_MANY = 0.05
"""The share of an image's values that overshoots do not reach."""


@dataclass(frozen=True, slots=True)
class Request:
    """What a restorer is asked for."""

    ids: tuple[str, ...]
    seeds: tuple[int, ...]
    lq: U8Batch
    gt: U8Batch | None = None
    """Only for restorers that see the ground truth."""
    sample: int = 0
    point: float | None = None

    def part(self, start: int, end: int) -> Request:
        gt = None if self.gt is None else self.gt[start:end]
        return Request(self.ids[start:end], self.seeds[start:end], self.lq[start:end], gt, self.sample, self.point)


@dataclass(frozen=True, slots=True)
class Answer:
    """What it gave: images in the request's order, meaningful where the status is `ok`."""

    images: U8Batch
    statuses: tuple[Status, ...]
    seconds: float
    memory: int = 0
    """Bytes at the peak, on the device (of the process, on a CPU)."""
    notes: tuple[str, ...] = ()
    """What went wrong, in words, and how it was got round."""
    macs: int | None = None
    """Multiply-adds of one image, with the first batch of a restorer that shows its network."""


class Engine(Protocol):
    """Something that restores batches, in this process or in another."""

    about: Mapping[str, Any]
    """What the restorer says of itself once it is ready."""

    def ready(self) -> None: ...
    def restore(self, request: Request) -> Answer: ...
    def close(self) -> None: ...


Cause = Literal["bad_shape", "error", "timeout", "memory", "crash"]


@dataclass
class BatchFailed(Exception):
    """A whole batch was not restored."""

    cause: Cause
    reason: str

    @property
    def status(self) -> Status:
        return self.cause if self.cause in ("bad_shape", "timeout") else "error"


@dataclass
class Direct:
    """The restorer in this process."""

    load: Callable[[], LoadedRestorer]
    about: Mapping[str, Any] = field(default_factory=dict)
    _restoring: Restoring | None = None

    def ready(self) -> None:
        loaded = self.load()
        self._restoring, self.about = Restoring(loaded), about(loaded)

    def restore(self, request: Request) -> Answer:
        assert self._restoring is not None
        return self._restoring(request)

    def close(self) -> None: ...


def about(loaded: LoadedRestorer) -> dict[str, Any]:
    """What a made restorer says of itself."""
    return {"parameters": count_parameters(loaded)}


@dataclass
class Restoring:
    """A restorer at work in this process."""

    loaded: LoadedRestorer
    counted: bool = False

    def __call__(self, request: Request) -> Answer:
        """Restore; after the first batch, count the multiplications of one of its images, apart from its answer."""
        answer = restore(self.loaded, request)
        if self.counted:
            return answer
        self.counted = True
        return replace(answer, macs=_macs(self.loaded, request.part(0, 1)))


def _macs(loaded: LoadedRestorer, request: Request) -> int | None:
    if count_parameters(loaded) is None:
        return None
    try:
        return count_macs(lambda: restore(loaded, request))
    except Exception:
        return None  # an operator that the counter cannot follow: the cost stays unknown, the answer stands


def restore(loaded: LoadedRestorer, request: Request) -> Answer:
    """Restore a batch; raises `BatchFailed` with the cause, `RestorerError` where this process can restore no more."""
    import torch

    device = loaded.context.device
    batch = Batch(
        request.ids,
        as_float(request.lq, device),
        request.seeds,
        request.sample,
        request.point,
        None if request.gt is None else as_float(request.gt, device),
    )
    _start_peak(device)
    torch.manual_seed(request.seeds[0])
    began = time.perf_counter()
    try:
        out = loaded.restore(batch)
        finite = out.isfinite().flatten(1).all(1).tolist()
        notes = out_of_range(out, request.ids)
        images = as_bytes(out)
    except BadShape as error:
        raise BatchFailed("bad_shape", str(error)) from error
    except Exception as error:
        cause: Cause = "memory" if is_out_of_memory(error) else "error"
        reason = in_words(error)
        error.__traceback__ = None  # it holds the tensors that did not fit
        if is_lost(error):  # a worker then dies, and is made anew
            raise RestorerError(*device_failed(reason)) from error
        if cause == "memory" and device.startswith("cuda"):
            torch.cuda.empty_cache()
        raise BatchFailed(cause, reason) from error
    seconds = time.perf_counter() - began
    statuses: tuple[Status, ...] = tuple("ok" if fine else "nan" for fine in finite)
    return Answer(images, statuses, seconds, _peak(device), notes)


def out_of_range(out: Tensor, ids: tuple[str, ...]) -> tuple[str, ...]:
    """A word on images that lie far outside of [0, 1] and lose it by clipping: a restorer in another range."""
    low, high = out.aminmax()
    if low >= -_BESIDE and high <= 1 + _BESIDE:  # not so where there is a NaN
        return ()
    outside = ((out < -_BESIDE) | (out > 1 + _BESIDE)).flatten(1).float().mean(1)
    share, worst = float(outside.max()), int(outside.argmax())
    if share <= _MANY:
        return ()
    values = out[worst][out[worst].isfinite()]
    told = f"values from {float(values.min()):.4g} to {float(values.max()):.4g} were clipped to [0, 1]"
    return (f"{told}: {share:.0%} of image {ids[worst]!r}; does it answer in another range?",)


def in_words(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"


def device_failed(reason: str) -> tuple[str, str]:
    """What is wrong when a GPU is lost, whoever was using it, and what to do."""
    return f"the device failed ({reason})", "start the run again: it goes on where it stopped"


def as_float(images: U8Batch, device: str) -> Tensor:
    """N×H×W×3 bytes to N×3×H×W floats in [0, 1]; the bytes travel to the device, not the floats."""
    import torch

    return torch.from_numpy(images).to(device).permute(0, 3, 1, 2).contiguous().float().div_(255)


def as_bytes(images: Tensor) -> U8Batch:
    from bfrbench.imaging.convert import quantise

    array: U8Batch = quantise(images.float().nan_to_num(0.0)).permute(0, 2, 3, 1).contiguous().cpu().numpy()
    return array


def _start_peak(device: str) -> None:
    import torch

    if device.startswith("cuda"):
        torch.cuda.synchronize(device)
        torch.cuda.reset_peak_memory_stats(device)


def _peak(device: str) -> int:
    if device.startswith("cuda"):
        import torch

        return int(torch.cuda.max_memory_allocated(device))
    import resource
    import sys

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
