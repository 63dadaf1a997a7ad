"""The steps that images of a batch take together: blur, resize, noise and JPEG."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from bfrbench.contracts import Op
from bfrbench.degradations.device import noise
from bfrbench.degradations.device.jpeg import simulate
from bfrbench.degradations.device.weights import resize_weights
from bfrbench.degradations.device.work import Work, rounded, stacked
from bfrbench.degradations.exact import target_size
from bfrbench.degradations.kernels import kernel_of

if TYPE_CHECKING:
    from torch import Tensor

_LUMA = (0.299, 0.587, 0.114)


def blur(works: list[Work], ops: list[Op]) -> None:
    """Each image with its own kernel, by the Fourier transform of the whole canvas."""
    kernels = [kernel_of(op.name, op.args) for op in ops]
    reach = max(kernel.shape[0] for kernel in kernels) // 2
    canvas = stacked([_mirrored(work.image, reach) for work in works])
    sides = [_fast_length(side) for side in canvas.shape[2:]]
    laid = np.zeros((len(kernels), 1, 2 * reach + 1, 2 * reach + 1), np.float32)
    for place, kernel in zip(laid, kernels, strict=True):
        first = reach - kernel.shape[0] // 2
        place[0, first : first + kernel.shape[0], first : first + kernel.shape[1]] = kernel
    filters = torch.fft.rfft2(torch.from_numpy(laid).to(canvas.device), s=sides)
    result = torch.fft.irfft2(torch.fft.rfft2(canvas, s=sides) * filters.conj(), s=sides)
    for work, image in zip(works, result, strict=True):
        work.image = image[:, : work.image.shape[1], : work.image.shape[2]]


def resize(works: list[Work], ops: list[Op]) -> None:
    sizes = [_size(work, op) for work, op in zip(works, ops, strict=True)]
    for method in sorted({op.args["method"] for op in ops}):
        chosen = [i for i, op in enumerate(ops) if op.args["method"] == method]
        images = [works[i].image for i in chosen]
        canvas = stacked(images)
        vertical, horizontal = (
            resize_weights(
                [image.shape[axis] for image in images], [sizes[i][axis - 1] for i in chosen], method, canvas.device
            )
            for axis in (1, 2)
        )
        result = vertical[:, None] @ canvas @ horizontal[:, None].mT
        for i, image in zip(chosen, result, strict=True):
            works[i].image = image[:, : sizes[i][0], : sizes[i][1]]


def gaussian(works: list[Work], ops: list[Op]) -> None:
    shapes = [(1 if op.args["grey"] else 3, *work.image.shape[1:]) for work, op in zip(works, ops, strict=True)]
    fields = noise.normals(works, shapes)
    for work, op, field in zip(works, ops, fields, strict=True):
        work.image = (work.image + field * op.args["sigma"]).clamp(0, 255)
        work.field += 1


def poisson(works: list[Work], ops: list[Op]) -> None:
    levels = [_levels(work.image, op.args["grey"]) for work, op in zip(works, ops, strict=True)]
    excesses = noise.poisson_excess(works, levels)
    for work, op, excess in zip(works, ops, excesses, strict=True):
        work.image = (work.image + excess * op.args["scale"]).clamp(0, 255)
        work.field += 1


def jpeg(works: list[Work], ops: list[Op]) -> None:
    images = [rounded(work.image.clamp(0, 255)) for work in works]
    for work, image in zip(works, simulate(images, [int(op.args["quality"]) for op in ops]), strict=True):
        work.image = image


def luma(image: Tensor) -> Tensor:
    """1×h×w."""
    red, green, blue = _LUMA
    return image[:1] * red + image[1:2] * green + image[2:] * blue


def _levels(image: Tensor, grey: bool) -> Tensor:
    image = image.detach()
    return (luma(image) if grey else image).round().clamp(0, 255).to(torch.int64)


def _size(work: Work, op: Op) -> tuple[int, int]:
    current, given = work.image.shape[1:], work.target.shape[1:]
    return target_size(op, (current[0], current[1]), (given[0], given[1]))


def _mirrored(image: Tensor, reach: int) -> Tensor:
    """Grown on all sides by its mirror image, the border pixel not repeated."""

    def places(side: int) -> Tensor:
        if side == 1:
            return torch.zeros(1 + 2 * reach, dtype=torch.int64, device=image.device)
        turn = torch.arange(-reach, side + reach, device=image.device) % (2 * side - 2)
        return torch.minimum(turn, 2 * side - 2 - turn)

    return image[:, places(image.shape[1])][:, :, places(image.shape[2])]


def _fast_length(side: int) -> int:
    from scipy.fft import next_fast_len

    return int(next_fast_len(side, real=True))
