"""The device road: the same draws on batches of float tensors, on CPU or GPU, for training.

Images of one batch that are at the same kind of step go through it together, whatever the recipe's order.
Gradients flow through everything but the codecs of `webp` and the counts of photon noise; rounding passes them
on unchanged.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch

from bfrbench.contracts import Draw, Op
from bfrbench.degradations.device import single, together
from bfrbench.degradations.device.work import Work, rounded
from bfrbench.errors import InputError, suggestion
from bfrbench.precision import exact_float32

if TYPE_CHECKING:
    from torch import Tensor

BATCHED: dict[str, Callable[[list[Work], list[Op]], None]] = {
    **dict.fromkeys(("blur", "sinc", "motion", "defocus"), together.blur),
    "resize": together.resize,
    "gaussian": together.gaussian,
    "poisson": together.poisson,
    "jpeg": together.jpeg,
}


def apply_batch(gt: Tensor, draws: Sequence[Draw], *, labels: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Low-quality images and targets (N×3×H×W, [0, 1]) of the ground truths; `labels` (N×H×W) is for `palette`."""
    if gt.ndim != 4 or gt.shape[1] != 3 or len(gt) != len(draws) or not gt.is_floating_point():
        raise InputError(
            f"the batch is {gt.dtype} {tuple(gt.shape)} with {len(draws)} draws", "give floats N×3×H×W and N draws"
        )
    levels = gt.float() * 255.0
    works = [
        Work(levels[i], levels[i], draw.noise_key, labels=None if labels is None else labels[i])
        for i, draw in enumerate(draws)
    ]
    with _full_precision(gt.device.type):
        run(works, [draw.ops for draw in draws])
    if len({work.image.shape for work in works}) > 1:
        raise InputError(
            "the images of the batch have different sizes in the end", 'end the recipe with a resize with to = "input"'
        )
    lq = torch.stack([rounded(work.image.clamp(0, 255)) for work in works])
    return (lq / 255.0).to(gt.dtype), (torch.stack([work.target for work in works]) / 255.0).to(gt.dtype)


def run(works: list[Work], steps: list[tuple[Op, ...]]) -> None:
    """Take every image through its own steps, as many together as are at the same one."""
    starts = [Work(work.image, work.target, work.noise_key, labels=work.labels) for work in works]
    place = [0] * len(works)
    while waiting := [i for i in range(len(works)) if place[i] < len(steps[i])]:
        group = Counter(_group(steps[i][place[i]].name) for i in waiting).most_common(1)[0][0]
        chosen = [i for i in waiting if _group(steps[i][place[i]].name) == group]
        ops = [steps[i][place[i]] for i in chosen]
        if group == "patch":
            _patch([works[i] for i in chosen], [starts[i] for i in chosen], ops)
        elif group in BATCHED:
            BATCHED[group]([works[i] for i in chosen], ops)
        else:
            for i, op in zip(chosen, ops, strict=True):
                single.STEPS[op.name](works[i], op.args)
        for i in chosen:
            place[i] += 1


def _group(name: str) -> str:
    if name in ("sinc", "motion", "defocus"):
        return "blur"
    if name not in BATCHED and name not in single.STEPS and name != "patch":
        raise InputError(f"the draw holds an operation {name!r}", suggestion(name, [*BATCHED, *single.STEPS, "patch"]))
    return name


def _patch(works: list[Work], starts: list[Work], ops: list[Op]) -> None:
    for work, start in zip(works, starts, strict=True):
        start.field = work.field
    run(starts, [tuple(Op(inner["name"], inner["args"]) for inner in op.args["around"]) for op in ops])
    for work, around, op in zip(works, starts, ops, strict=True):
        height, width = work.target.shape[1:]
        side = min(int(op.args["side"]), height, width)
        left, top = int(op.args["x"] * (width - side + 1)), int(op.args["y"] * (height - side + 1))
        mask = torch.zeros(height, width, dtype=torch.bool, device=work.image.device)
        mask[top : top + side, left : left + side] = True
        work.image, work.field = torch.where(mask, work.image, around.image), around.field


@contextmanager
def _full_precision(device: str) -> Iterator[None]:
    """No autocast and no TF32 here: three digits would be lost below the 8 bits of an image."""
    with exact_float32(), torch.autocast(device, enabled=False):
        yield
