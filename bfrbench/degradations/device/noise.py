"""The noise fields of `bfrbench.degradations.noise` on a device: the same Philox words, the same tables.

On a CPU NumPy makes the words; elsewhere Philox 4×64 runs here on 64-bit integers, all images at once.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING

import torch

from bfrbench.degradations import noise as exact
from bfrbench.degradations.device.work import Work

if TYPE_CHECKING:
    from torch import Tensor

_MULTIPLIERS = (0xD2E7470EE14C6C93, 0xCA5A826395121157)
_BUMPS = (0x9E3779B97F4A7C15, 0xBB67AE8584CAA73B)
_ROUNDS = 10
_LOW = 0xFFFFFFFF


def normals(works: Sequence[Work], shapes: Sequence[tuple[int, ...]]) -> list[Tensor]:
    """Standard normal fields, channel × height × width."""
    device = works[0].image.device
    table = _normal_table(device)
    counts = [math.prod(shape) for shape in shapes]
    fields = words([(work.noise_key, work.field) for work in works], counts, device)
    return [_channels_first(table[field], shape) for field, shape in zip(fields, shapes, strict=True)]


def poisson_excess(works: Sequence[Work], levels: Sequence[Tensor]) -> list[Tensor]:
    """Photon noise of whole grey levels (channel × height × width), counts minus their mean in grey levels."""
    device = works[0].image.device
    fields = words([(work.noise_key, work.field) for work in works], [level.numel() for level in levels], device)
    found = torch.stack([torch.zeros(256, device=device).index_fill_(0, level.reshape(-1), 1) for level in levels])
    scales = [exact.photon_scale(int(count)) for count in found.sum(1).tolist()]
    return [_excess(level, field, scale) for level, field, scale in zip(levels, fields, scales, strict=True)]


def words(keys: Sequence[tuple[int, int]], counts: Sequence[int], device: torch.device) -> list[Tensor]:
    """Uniform 16-bit words of each (noise key, field), as int64."""
    if device.type == "cpu":
        made = [exact.words(key, field, count) for (key, field), count in zip(keys, counts, strict=True)]
        return [torch.from_numpy(words.astype("int64")) for words in made]
    blocks = [-(-count // 16) for count in counts]
    counter = torch.cat([torch.arange(1, block + 1, device=device) for block in blocks])
    owner = torch.repeat_interleave(torch.tensor(blocks, device=device), output_size=sum(blocks))
    key = torch.tensor([[_signed(key), field] for key, field in keys], device=device)[owner]
    bits = philox(counter, key[:, 0], key[:, 1])
    shifts = torch.arange(0, 64, 16, device=device)
    flat = ((bits[..., None] >> shifts) & 0xFFFF).reshape(-1)
    starts = [0]
    for block in blocks:
        starts.append(starts[-1] + 16 * block)
    return [flat[start : start + count] for start, count in zip(starts[:-1], counts, strict=True)]


def philox(counter: Tensor, key_0: Tensor, key_1: Tensor) -> Tensor:
    """Ten rounds of Philox 4×64 of the counters (counter, 0, 0, 0): N × 4 words in the bits of int64."""
    zero = torch.zeros_like(counter)
    state = (counter, zero, zero, zero)
    for _ in range(_ROUNDS):
        high_0, low_0 = _product(state[0], _MULTIPLIERS[0])
        high_1, low_1 = _product(state[2], _MULTIPLIERS[1])
        state = (high_1 ^ state[1] ^ key_0, low_1, high_0 ^ state[3] ^ key_1, low_0)
        key_0, key_1 = key_0 + _signed(_BUMPS[0]), key_1 + _signed(_BUMPS[1])
    return torch.stack(state, -1)


def _product(x: Tensor, constant: int) -> tuple[Tensor, Tensor]:
    """The upper and lower 64 bits of an unsigned product, from four products of 32 bits."""
    a, b = constant >> 32, constant & _LOW
    high, low = (x >> 32) & _LOW, x & _LOW
    bottom = low * b
    middle = high * b + ((bottom >> 32) & _LOW)
    cross = low * a + (middle & _LOW)
    top = high * a + ((middle >> 32) & _LOW) + ((cross >> 32) & _LOW)
    return top, x * _signed(constant)


def _excess(levels: Tensor, words: Tensor, photons: int) -> Tensor:
    # The words follow the pixels, channels together, as the exact road lays its images out.
    pixels = levels.movedim(0, -1)
    counts = _poisson_table(photons, levels.device)[(pixels.reshape(-1) << 16) | words].reshape(pixels.shape)
    return ((counts - pixels * (photons / 255.0)) * (255.0 / photons)).movedim(-1, 0).float()


def _channels_first(field: Tensor, shape: tuple[int, ...]) -> Tensor:
    channels, height, width = shape
    return field.reshape(height, width, channels).movedim(-1, 0)


def _signed(value: int) -> int:
    """The int64 with the same bits."""
    return value - (1 << 64) if value >= 1 << 63 else value


@cache
def _normal_table(device: torch.device) -> Tensor:
    return torch.from_numpy(exact.normal_table() / exact.GRAIN).to(device)


@cache
def _poisson_table(photons: int, device: torch.device) -> Tensor:
    return torch.from_numpy(exact.poisson_table(photons).astype("int16")).to(device)
