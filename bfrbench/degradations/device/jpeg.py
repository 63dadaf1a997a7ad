"""JPEG on a device, step by step as libjpeg-turbo does it at 4:2:0: real tables, its roundings, its chroma filter.

Entropy coding loses nothing and is left out. Rounding passes gradients on unchanged.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING

import torch

from bfrbench.degradations.device.work import floored, held

if TYPE_CHECKING:
    from torch import Tensor

# Annex K of the standard, rows from top to bottom; libjpeg scales these two.
LUMA_TABLE = (
    *(16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55, 14, 13, 16, 24, 40, 57, 69, 56),
    *(14, 17, 22, 29, 51, 87, 80, 62, 18, 22, 37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104, 113, 92),
    *(49, 64, 78, 87, 103, 121, 120, 101, 72, 92, 95, 98, 112, 100, 103, 99),
)
CHROMA_TABLE = (
    *(17, 18, 24, 47, 99, 99, 99, 99, 18, 21, 26, 66, 99, 99, 99, 99, 24, 26, 56, 99, 99, 99, 99, 99),
    *(47, 66, 99, 99, 99, 99, 99, 99, *(99,) * 32),
)


def table(base: Sequence[int], quality: int) -> list[int]:
    """libjpeg's scaling of a table to a quality of 1–100, for baseline files."""
    scale = 5000 // quality if quality < 50 else 200 - 2 * quality
    return [min(max((value * scale + 50) // 100, 1), 255) for value in base]


def simulate(images: Sequence[Tensor], qualities: Sequence[int]) -> list[Tensor]:
    """Whole grey levels in, what a decoder gives back out; images (3×h×w) may have different sizes."""
    sizes = [image.shape[1:] for image in images]
    height, width = (-(-max(size[axis] for size in sizes) // 16) * 16 for axis in (0, 1))
    # Columns are repeated before chroma is averaged, rows (beyond an even number) after it.
    full = torch.stack([held(image, height, width) for image in images])
    luma, blue, red = _to_ycc(full)
    chroma = _halved(torch.stack([blue, red], 1))
    halves = [(-(-h // 2), -(-w // 2)) for h, w in sizes]
    chroma = torch.stack([held(c[:, :h], height // 2, width // 2) for c, (h, _) in zip(chroma, halves, strict=True)])
    luma = _coded(luma[:, None], LUMA_TABLE, qualities)
    chroma = _coded(chroma, CHROMA_TABLE, qualities)
    known = [held(c[:, :h, :w], height // 2, width // 2) for c, (h, w) in zip(chroma, halves, strict=True)]
    result = _to_rgb(luma[:, 0], _doubled(torch.stack(known)))
    return [image[:, : size[0], : size[1]] for image, size in zip(result, sizes, strict=True)]


def _to_ycc(rgb: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    red, green, blue = rgb.unbind(1)
    luma = 0.299 * red + 0.587 * green + 0.114 * blue
    # libjpeg adds just less than a half to chroma, so that ties go down.
    less = 0.5 - 1 / 65536
    return (
        floored(luma + 0.5),
        floored(-0.168735892 * red - 0.331264108 * green + 0.5 * blue + 128 + less),
        floored(0.5 * red - 0.418687589 * green - 0.081312411 * blue + 128 + less),
    )


def _to_rgb(luma: Tensor, chroma: Tensor) -> Tensor:
    blue, red = chroma[:, 0] - 128, chroma[:, 1] - 128
    rgb = (
        luma + floored(1.402 * red + 0.5),
        luma + floored(-0.344136286 * blue - 0.714136286 * red + 0.5),
        luma + floored(1.772 * blue + 0.5),
    )
    return torch.stack(rgb, 1).clamp(0, 255)


def _halved(chroma: Tensor) -> Tensor:
    """Sums of 2×2, with a bias of 1 and 2 by turns, so that rounding favours neither side."""
    sums = chroma[..., ::2, ::2] + chroma[..., ::2, 1::2] + chroma[..., 1::2, ::2] + chroma[..., 1::2, 1::2]
    bias = torch.arange(sums.shape[-1], device=chroma.device) % 2 + 1
    return floored((sums + bias) / 4)


def _doubled(chroma: Tensor) -> Tensor:
    """libjpeg's triangle filter: 3/4 of the nearer pixel, 1/4 of the farther, on both axes."""
    above = torch.cat([chroma[..., :1, :], chroma[..., :-1, :]], -2)
    below = torch.cat([chroma[..., 1:, :], chroma[..., -1:, :]], -2)
    rows = torch.stack([3 * chroma + above, 3 * chroma + below], -2).flatten(-3, -2)
    left = torch.cat([rows[..., :1], rows[..., :-1]], -1)
    right = torch.cat([rows[..., 1:], rows[..., -1:]], -1)
    pairs = torch.stack([floored((3 * rows + left + 8) / 16), floored((3 * rows + right + 7) / 16)], -1)
    return pairs.flatten(-2)


def _coded(planes: Tensor, base: Sequence[int], qualities: Sequence[int]) -> Tensor:
    """Cosine transform of 8×8 blocks, quantised and taken back."""
    steps = torch.tensor([table(base, quality) for quality in qualities], device=planes.device, dtype=planes.dtype)
    steps = steps.reshape(-1, 1, 1, 1, 8, 8)
    count, channels, height, width = planes.shape
    blocks = (planes - 128).reshape(count, channels, height // 8, 8, width // 8, 8).transpose(3, 4)
    back = _from_coefficients(_quantised(_to_coefficients(blocks), steps)) + 128
    return back.clamp(0, 255).transpose(3, 4).reshape(planes.shape)


def _to_coefficients(blocks: Tensor) -> Tensor:
    """Eight times the cosine transform, in whole numbers: rows with two extra bits, then columns, as in jfdctint."""
    cosine = _cosines(blocks.device) * math.sqrt(8)
    rows = floored(blocks @ cosine.mT * 4 + 0.5)
    return floored(cosine @ rows / 4 + 0.5)


def _quantised(coefficients: Tensor, steps: Tensor) -> Tensor:
    """Multiples of the steps; a tie goes away from zero."""
    return steps * coefficients.sign() * floored(coefficients.abs() / (8 * steps) + 0.5)


def _from_coefficients(coefficients: Tensor) -> Tensor:
    """The transform back: columns with two extra bits, then rows, as in jidctint."""
    cosine = _cosines(coefficients.device) * math.sqrt(8)
    columns = floored(cosine.mT @ coefficients * 4 + 0.5)
    return floored(columns @ cosine / 32 + 0.5)


@cache
def _cosines(device: torch.device) -> Tensor:
    rows = [[math.cos((2 * x + 1) * f * math.pi / 16) / 2 for x in range(8)] for f in range(8)]
    rows[0] = [math.sqrt(1 / 8)] * 8
    with torch.inference_mode(False):  # it is kept, and a later training looks at its gradient
        return torch.tensor(rows, device=device)
