"""StyleGAN2's generator: mapping network, constant, styled blocks. One class is the ordinary form and GPEN's.

Parameter names are those of the published checkpoints, so that their tensors load as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

import torch
from torch import Tensor, nn

from bfrbench.nn.layers import EqualLinear, PixelNorm
from bfrbench.nn.noise import seeded_noise
from bfrbench.nn.styled import NoiseForm, StyledConv, ToRGB

Edit: TypeAlias = Callable[[Tensor, int], Tensor]
"""Changes features at a resolution; must return a new tensor or leave its input alone."""

SMALLEST = 4


def widths(size: int, multiplier: float = 2.0, narrow: float = 1.0) -> dict[int, int]:
    """Channels at each resolution from 4 to `size`: 512 up to 32, then 256·multiplier halved with every octave."""
    if size < 8 or size & (size - 1):
        raise ValueError(f"size must be a power of two from 8, not {size}")
    resolutions = [SMALLEST << octave for octave in range((size // SMALLEST).bit_length())]
    found = {side: int((512 if side <= 32 else 16384 // side * multiplier) * narrow) for side in resolutions}
    if min(found.values()) < 1:
        raise ValueError(f"narrow {narrow:g} leaves no channel at {min(found, key=found.__getitem__)} px")
    return found


class Constant(nn.Module):
    """The learned 4×4 image that every picture grows from."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.input = nn.Parameter(torch.randn(1, channels, SMALLEST, SMALLEST))


class Generator(nn.Module):
    """z → w by `style`, then w → image by `synthesise`.

    `noise` chooses how noise enters (see `NoiseForm`). The ordinary form keeps one fixed noise map a layer, for
    pictures that should not change between calls: `generator.fixed_noise()`.
    """

    def __init__(
        self,
        size: int,
        *,
        multiplier: float = 2.0,
        narrow: float = 1.0,
        noise: NoiseForm = "add",
        style_dim: int = 512,
        mapping_layers: int = 8,
        mapping_lr: float = 0.01,
    ) -> None:
        super().__init__()
        self.size, self.style_dim, self.form = size, style_dim, noise
        self.widths = widths(size, multiplier, narrow)
        self.latents = 2 * len(self.widths)
        mapping = [EqualLinear(style_dim, style_dim, lr_mul=mapping_lr, activate=True) for _ in range(mapping_layers)]
        self.style = nn.Sequential(PixelNorm(), *mapping)
        joined = 2 if noise == "concat" else 1
        smallest = self.widths[SMALLEST]
        self.input = Constant(smallest)
        self.conv1 = StyledConv(smallest, smallest, style_dim, noise=noise)
        self.to_rgb1 = ToRGB(smallest * joined, style_dim, upsample=False)
        self.convs, self.to_rgbs = nn.ModuleList(), nn.ModuleList()
        before = smallest
        for side in self.resolutions[1:]:
            channels = self.widths[side]
            self.convs.append(StyledConv(before * joined, channels, style_dim, upsample=True, noise=noise))
            self.convs.append(StyledConv(channels * joined, channels, style_dim, noise=noise))
            self.to_rgbs.append(ToRGB(channels * joined, style_dim))
            before = channels
        if noise == "add":
            self.noises = nn.Module()
            for layer, (_, side) in enumerate(self.noise_shapes()):
                self.noises.register_buffer(f"noise_{layer}", torch.randn(1, 1, side, side))

    @property
    def resolutions(self) -> list[int]:
        return list(self.widths)

    def noise_shapes(self) -> list[tuple[int, int]]:
        """(channels, side) of each layer's noise map: one layer at 4×4, two at every other resolution."""
        sides = [SMALLEST, *(side for side in self.resolutions[1:] for _ in range(2))]
        return [(1 if self.form == "add" else self.widths[side], side) for side in sides]

    def fixed_noise(self) -> list[Tensor]:
        """The stored maps of the ordinary form."""
        if self.form != "add":
            raise ValueError("only the ordinary form stores noise: make some with seeded_noise")
        return [getattr(self.noises, f"noise_{layer}") for layer in range(len(self.noise_shapes()))]

    def seeded_noise(self, seeds: Sequence[int]) -> list[Tensor]:
        """Noise that depends on each sample's seed alone."""
        return seeded_noise(self.noise_shapes(), seeds, like=self.input.input)

    def spread(self, w: Tensor) -> Tensor:
        """One w per sample [N, D] to one per layer [N, latents, D]."""
        return w.unsqueeze(1).expand(-1, self.latents, -1)

    def forward(self, z: Tensor, noise: Sequence[Tensor | None] | None = None) -> Tensor:
        return self.synthesise(self.spread(self.style(z)), noise)

    def synthesise(
        self,
        ws: Tensor,
        noise: Sequence[Tensor | None] | None = None,
        *,
        before: Edit | None = None,
        between: Edit | None = None,
        dtype: torch.dtype | None = None,
    ) -> Tensor:
        """w per layer [N, latents, D] to images [N, 3, size, size] in float32 or better, neither clamped nor squashed.

        `noise` has one map a layer; None draws fresh noise for that layer. `before` edits what enters a block,
        `between` what leaves its first convolution; `dtype` is the type of the convolutions.
        """
        noise = noise if noise is not None else [None] * (len(self.convs) + 1)
        dtype = dtype or self.input.input.dtype
        x = self.input.input.to(dtype=dtype, memory_format=torch.channels_last).expand(ws.shape[0], -1, -1, -1)
        x = self.conv1(x, ws[:, 0], noise[0])
        image: Tensor = self.to_rgb1(x, ws[:, 1])
        overwrite = not torch.is_grad_enabled() and before is None and between is None
        for block, side in enumerate(self.resolutions[1:]):
            layer = 2 * block + 1
            x = before(x, side // 2) if before is not None else x
            x = self.convs[layer - 1](x, ws[:, layer], noise[layer], overwrite=overwrite)
            x = between(x, side) if between is not None else x
            x = self.convs[layer](x, ws[:, layer + 1], noise[layer + 1], overwrite=overwrite)
            image = self.to_rgbs[block](x, ws[:, layer + 2], image)
        return image
