"""The asymmetric codec around a StyleGAN2 prior: a deep encoder of MMRBs, a shallow decoder, a link into the prior.

At the start the output equals the bare prior at its mean style, to the bit: that is the argument for stability.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bfrbench.nn import Generator, widths
from bfrbench.nn.generator import SMALLEST
from bfrbench.nn.layers import leaky
from bfrbench_mmrb.block import PATHS, BlockName, PathName, make_block

Link: TypeAlias = Literal["cs_sft", "sft", "concat_fuse", "noise_concat"]
"""How the codec speaks to the prior: GFPGAN's modulation of half the channels (default) or of all, GLEAN's
concatenation and fusion before each block, or GPEN's features in the place of noise."""

_DEPTH = {4: 1, 8: 1, 16: 2, 32: 2, 64: 2}
"""Blocks at each resolution of the encoder; 1 above."""
STYLES = 10_000
"""Samples of the mapping network that the mean style is taken over."""


@dataclass(frozen=True)
class MmrbShape:
    """Everything that decides the shapes of an MMRB-StyleGAN2's tensors."""

    size: int
    multiplier: float = 1.0
    narrow: float = 1.0
    link: Link = "cs_sft"
    block: BlockName = "mmrb"
    paths: tuple[PathName, ...] = PATHS
    mix: bool = True
    gate: bool = True
    style_dim: int = 512
    mapping_layers: int = 8
    """Of the prior; the mapping network is not used when restoring."""
    width: float = 1.0
    """Of rivals' blocks, for rivals of equal parameters or operations."""

    def __post_init__(self) -> None:
        if self.size < 32 or self.size & (self.size - 1):
            raise ValueError(f"an MMRB-StyleGAN2's size is a power of two from 32, not {self.size}")
        finest = widths(self.size, self.multiplier, self.narrow)[self.size]
        if finest < 2:
            raise ValueError(f"multiplier {self.multiplier:g} and narrow {self.narrow:g} leave {finest} channels")


@dataclass(frozen=True)
class Restored:
    """What the network makes of a batch, with what its training looks at."""

    image: Tensor
    ws: Tensor
    features: dict[int, Tensor]
    """The decoder's features before the heads, by resolution."""
    pyramid: dict[int, Tensor]
    """The decoder's own small images, by resolution."""


class MmrbStyleGan2(nn.Module):
    """Degraded faces [N, 3, size, size] in [-1, 1] to restored faces, not clamped."""

    def __init__(self, shape: MmrbShape) -> None:
        super().__init__()
        self.shape = shape
        form: Literal["add", "concat"] = "concat" if shape.link == "noise_concat" else "add"
        self.generator = Generator(
            shape.size,
            multiplier=shape.multiplier,
            narrow=shape.narrow,
            noise=form,
            style_dim=shape.style_dim,
            mapping_layers=shape.mapping_layers,
        )
        channels = self.generator.widths
        self.sides = sorted(channels)
        self.slim = {side: max(8, channels[side] // 2) for side in self.sides}
        self.entry = nn.Conv2d(3, self.slim[shape.size], 3, padding=1)
        self.down, self.blocks = nn.ModuleDict(), nn.ModuleDict()
        for side in self.sides[-2::-1]:
            self.down[str(side)] = nn.Conv2d(self.slim[2 * side], self.slim[side], 3, stride=2, padding=1)
            self.blocks[str(side)] = nn.Sequential(*(self._block(side) for _ in range(_DEPTH.get(side, 1))))
        flat, dim = self.slim[SMALLEST] * SMALLEST**2, self.generator.style_dim
        self.to_style = nn.Linear(flat, dim)
        self.to_styles = nn.Linear(dim, self.generator.latents * dim)
        _zero(self.to_styles)
        self.mean_style: Tensor
        self.register_buffer("mean_style", torch.zeros(dim))
        self.up, self.across, self.rgb, self.heads = (nn.ModuleDict() for _ in range(4))
        for side in self.sides[1:]:
            self.up[str(side)] = nn.Conv2d(self.slim[side // 2], self.slim[side], 3, padding=1)
            self.across[str(side)] = nn.Conv2d(self.slim[side], self.slim[side], 1)
            self.rgb[str(side)] = nn.Conv2d(self.slim[side], 3, 1)
        self._add_heads(channels)

    def _block(self, side: int) -> nn.Module:
        s = self.shape
        return make_block(s.block, self.slim[side], paths=s.paths, mix=s.mix, gate=s.gate, width=s.width)

    def _add_heads(self, channels: dict[int, int]) -> None:
        if self.shape.link == "noise_concat":
            for side in self.sides:
                self.heads[f"noise{side}"] = nn.Conv2d(self.slim[side], channels[side], 1)
            return
        for side in self.sides[1:]:
            slim, whole = self.slim[side], channels[side]
            if self.shape.link in ("cs_sft", "sft"):
                changed = whole // 2 if self.shape.link == "cs_sft" else whole
                self.heads[f"scale{side}"] = _head(slim, changed, bias=1.0)
                self.heads[f"shift{side}"] = _head(slim, changed, bias=0.0)
            else:
                before = channels[side // 2]
                fuse = nn.Conv2d(before + self.slim[side // 2], before, 3, padding=1)
                _pass_on(fuse, before)
                self.heads[f"fuse{side // 2}"] = fuse

    @torch.no_grad()
    def adopt(self, prior: Generator, mean_style: Tensor | None = None) -> None:
        """Take over a trained prior of the same shape, and its mean style, which is sampled unless it is known."""
        self.generator.load_state_dict(prior.state_dict())
        if mean_style is not None:
            self.mean_style.copy_(mean_style)
            return
        z = torch.randn(STYLES, prior.style_dim, generator=torch.Generator().manual_seed(0))
        device = self.generator.input.input.device
        self.mean_style.copy_(self.generator.style(z.to(device)).mean(dim=0))

    def encode(self, image: Tensor) -> tuple[Tensor, dict[int, Tensor]]:
        """w for each layer, and the encoder's features by resolution."""
        x = leaky(self.entry(image.contiguous(memory_format=torch.channels_last)))
        features = {self.shape.size: x}
        for side in self.sides[-2::-1]:
            x = self.blocks[str(side)](leaky(self.down[str(side)](x)))
            features[side] = x
        offset = self.to_styles(leaky(self.to_style(x.flatten(1))))
        return self.mean_style + offset.view(len(image), self.generator.latents, -1), features

    def freeze(self, dtype: torch.dtype) -> None:
        """For `bfrbench.nn.frozen`: the codec's weights laid out as its images are."""
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                module.to(memory_format=torch.channels_last)

    def decode(self, features: dict[int, Tensor]) -> dict[int, Tensor]:
        """Coarse to fine: what the heads read."""
        x = features[SMALLEST]
        decoded = {SMALLEST: x}
        for side in self.sides[1:]:
            x = F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
            x = leaky(self.up[str(side)](x)) + self.across[str(side)](features[side])
            decoded[side] = x
        return decoded

    def restore(self, image: Tensor, *, fixed_noise: bool) -> Restored:
        """The whole way, with everything that a training looks at."""
        ws, features = self.encode(image)
        decoded = self.decode(features)
        pyramid = {side: self.rgb[str(side)](decoded[side]) for side in self.sides[1:]}
        return Restored(self._synthesise(ws, decoded, fixed_noise), ws, decoded, pyramid)

    def forward(self, image: Tensor) -> Tensor:
        """Deterministic: the prior's stored noise."""
        ws, features = self.encode(image)
        return self._synthesise(ws, self.decode(features), fixed_noise=True)

    def by_styles_alone(self, ws: Tensor) -> Tensor:
        """What the prior makes of w+ without the link: the part of the restoration that is the style's own."""
        if self.shape.link == "noise_concat":
            maps = [torch.zeros(1, 1, side, side, device=ws.device) for _, side in self.generator.noise_shapes()]
            return self.generator.synthesise(ws, maps)
        return self.generator.synthesise(ws, self.generator.fixed_noise())

    def _synthesise(self, ws: Tensor, decoded: dict[int, Tensor], fixed_noise: bool) -> Tensor:
        link, generator = self.shape.link, self.generator
        if link == "noise_concat":
            return generator.synthesise(ws, self._as_noise(decoded))
        noise: Sequence[Tensor] | None = generator.fixed_noise() if fixed_noise else None
        if link == "concat_fuse":
            return generator.synthesise(ws, noise, before=lambda x, side: self._fused(x, decoded[side], side))
        return generator.synthesise(ws, noise, between=lambda x, side: self._modulated(x, decoded[side], side))

    def _modulated(self, x: Tensor, feature: Tensor, side: int) -> Tensor:
        scale: Tensor = self.heads[f"scale{side}"](feature)
        shift: Tensor = self.heads[f"shift{side}"](feature)
        if self.shape.link == "sft":
            return x * scale + shift
        kept = x.shape[1] - scale.shape[1]
        return torch.cat((x[:, :kept], x[:, kept:] * scale + shift), dim=1)

    def _fused(self, x: Tensor, feature: Tensor, side: int) -> Tensor:
        out: Tensor = self.heads[f"fuse{side}"](torch.cat((x, feature.to(x.dtype)), dim=1))
        return out

    def _as_noise(self, decoded: dict[int, Tensor]) -> list[Tensor]:
        """GPEN's link: one map for the 4×4 layer, and one for both layers of every other resolution."""
        first, *finer = (self.heads[f"noise{side}"](decoded[side]) for side in self.sides)
        return [first, *(each for each in finer for _ in range(2))]


def _head(channels_in: int, channels_out: int, *, bias: float) -> nn.Sequential:
    last = nn.Conv2d(channels_in, channels_out, 3, padding=1)
    nn.init.zeros_(last.weight)
    assert last.bias is not None
    nn.init.constant_(last.bias, bias)
    return nn.Sequential(nn.Conv2d(channels_in, channels_in, 3, padding=1), nn.LeakyReLU(0.2), last)


def _zero(layer: nn.Linear) -> None:
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)


def _pass_on(fuse: nn.Conv2d, channels: int) -> None:
    """A convolution that hands on its first `channels` inputs and ignores the rest."""
    with torch.no_grad():
        nn.init.zeros_(fuse.weight)
        for channel in range(channels):
            fuse.weight[channel, channel, 1, 1] = 1.0
        assert fuse.bias is not None
        fuse.bias.zero_()
