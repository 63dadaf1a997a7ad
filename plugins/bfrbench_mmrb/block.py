"""The mixed multi-path residual block, our own reading of the abstract, and its rivals behind the same call.

Every block keeps channels and size and is an exact identity at the start, so it may be put into a trained network.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TypeAlias

import torch
from torch import Tensor, nn

from bfrbench.nn.layers import leaky

PathName: TypeAlias = Literal["3", "5", "d"]
"""A 3×3 convolution, a 5×5 one, and a 3×3 one with dilation."""
BlockName: TypeAlias = Literal["mmrb", "msrb", "resblock"]

PATHS: tuple[PathName, ...] = ("3", "5", "d")
_LEAST = 8


class MMRB(nn.Module):
    """Channels split into paths of different reach, twice, with every path seeing all between; gated, fused, added.

    `paths`, `mix` and `gate` are the switches of the ablation.
    """

    def __init__(
        self,
        channels: int,
        *,
        ratio: float = 0.5,
        dilation: int = 2,
        reduction: int = 16,
        paths: Sequence[PathName] = PATHS,
        mix: bool = True,
        gate: bool = True,
    ) -> None:
        super().__init__()
        if not paths or not set(paths) <= set(PATHS):
            raise ValueError(f"paths are some of {', '.join(PATHS)}, not {list(paths)}")
        width = max(_LEAST, int(channels * ratio))
        whole = width * len(paths)
        self.entry = nn.Conv2d(channels, whole, 1)
        self.first = nn.ModuleList(_path(name, width, dilation) for name in paths)
        # One convolution for what is written as one a path: their inputs are the same.
        self.mix = nn.Conv2d(whole, whole, 1) if mix else None
        self.second = nn.ModuleList(_path(name, width, dilation) for name in paths)
        self.gate = _Gate(whole, max(4, whole // reduction)) if gate else None
        self.fuse = nn.Conv2d(whole, channels, 1)
        _silence(self.fuse)

    def forward(self, x: Tensor) -> Tensor:
        entered = leaky(self.entry(x))
        near = self._through(self.first, entered)
        mixed = near + entered if self.mix is None else self.mix(near).add_(entered)
        far = self._through(self.second, mixed)
        out: Tensor = x + self.fuse(far if self.gate is None else self.gate(far))
        return out

    def _through(self, paths: nn.ModuleList, x: Tensor) -> Tensor:
        parts = x.chunk(len(paths), dim=1)
        return torch.cat([leaky(path(part)) for path, part in zip(paths, parts, strict=True)], dim=1)


class _Gate(nn.Module):
    """Channel attention: how much of each channel passes, from its mean over the image."""

    def __init__(self, channels: int, hidden: int) -> None:
        super().__init__()
        self.down = nn.Conv2d(channels, hidden, 1)
        self.up = nn.Conv2d(hidden, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = x * torch.sigmoid(self.up(leaky(self.down(x.mean(dim=(2, 3), keepdim=True)))))
        return out


class MSRB(nn.Module):
    """The block of MSRN (ECCV 2018): 3×3 and 5×5 side by side, crossed, and again; MSRN's own at `width` 1."""

    def __init__(self, channels: int, *, width: float = 1.0) -> None:
        super().__init__()
        inner = max(1, round(channels * width))
        self.near = nn.ModuleList(nn.Conv2d(channels, inner, side, padding=side // 2) for side in (3, 5))
        self.far = nn.ModuleList(nn.Conv2d(2 * inner, 2 * inner, side, padding=side // 2) for side in (3, 5))
        self.fuse = nn.Conv2d(4 * inner, channels, 1)
        _silence(self.fuse)

    def forward(self, x: Tensor) -> Tensor:
        near = torch.relu(torch.cat([path(x) for path in self.near], dim=1))
        far = torch.relu(torch.cat([path(near) for path in self.far], dim=1))
        out: Tensor = x + self.fuse(far)
        return out


class ResidualBlock(nn.Module):
    """Two 3×3 convolutions with a rectifier between."""

    def __init__(self, channels: int, *, width: float = 1.0) -> None:
        super().__init__()
        inner = max(1, round(channels * width))
        self.first = nn.Conv2d(channels, inner, 3, padding=1)
        self.fuse = nn.Conv2d(inner, channels, 3, padding=1)
        _silence(self.fuse)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = x + self.fuse(leaky(self.first(x)))
        return out


def make_block(
    name: BlockName,
    channels: int,
    *,
    paths: Sequence[PathName] = PATHS,
    mix: bool = True,
    gate: bool = True,
    width: float = 1.0,
) -> nn.Module:
    """A block by name. `paths`, `mix`, `gate` are the MMRB's; `width` is its rivals', which widens or narrows
    them to its parameters or operations."""
    if name == "mmrb":
        return MMRB(channels, paths=paths, mix=mix, gate=gate)
    if name == "msrb":
        return MSRB(channels, width=width)
    if name == "resblock":
        return ResidualBlock(channels, width=width)
    raise ValueError(f"there is no block {name!r}: mmrb, msrb or resblock")


def _path(name: PathName, width: int, dilation: int) -> nn.Conv2d:
    if name == "d":
        return nn.Conv2d(width, width, 3, padding=dilation, dilation=dilation)
    side = int(name)
    return nn.Conv2d(width, width, side, padding=side // 2)


def _silence(layer: nn.Conv2d) -> None:
    """A last layer of zeros: the block starts as an identity."""
    nn.init.zeros_(layer.weight)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
