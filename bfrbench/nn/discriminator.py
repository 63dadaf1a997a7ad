"""StyleGAN2's residual discriminator, with the layers' features for losses that compare them."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from bfrbench.nn.generator import SMALLEST, widths
from bfrbench.nn.layers import ConvLayer, EqualLinear, at_least_float32, full_precision


class ResidualBlock(nn.Module):
    """Two convolutions beside a 1×1 one, both halved, summed at unit variance."""

    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__()
        self.conv1 = ConvLayer(channels_in, channels_in, 3)
        self.conv2 = ConvLayer(channels_in, channels_out, 3, down=True)
        self.skip = ConvLayer(channels_in, channels_out, 1, down=True, activate=False)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.conv2(self.conv1(x)) + self.skip(x)
        return out * math.sqrt(0.5)


class Discriminator(nn.Module):
    """Images [N, 3, size, size] to one logit each [N, 1].

    A logit depends on its companions: the last layers see how much `group` images differ (None: the whole batch,
    as GPEN does; StyleGAN2 takes 4).
    """

    def __init__(self, size: int, *, multiplier: float = 2.0, narrow: float = 1.0, group: int | None = None) -> None:
        super().__init__()
        channels = widths(size, multiplier, narrow)
        self.group = group
        sides = sorted(channels, reverse=True)
        blocks = [ResidualBlock(channels[side], channels[side // 2]) for side in sides if side > SMALLEST]
        self.convs = nn.Sequential(ConvLayer(3, channels[size], 1), *blocks)
        last = channels[SMALLEST]
        self.final_conv = ConvLayer(last + 1, last, 3)
        self.final_linear = nn.Sequential(EqualLinear(last * SMALLEST**2, last, activate=True), EqualLinear(last, 1))

    def forward(self, image: Tensor) -> Tensor:
        return self.judge(image)[0]

    def judge(self, image: Tensor) -> tuple[Tensor, list[Tensor]]:
        """The logits, and the features after each block, finest first."""
        x = image.contiguous(memory_format=torch.channels_last)
        features = []
        for block in self.convs:
            x = block(x)
            features.append(x)
        x = self.final_conv(torch.cat((x, self._spread(x)), dim=1))
        logits: Tensor = self.final_linear(x.flatten(1))
        return logits, features

    def _spread(self, x: Tensor) -> Tensor:
        """One map a sample, filled with the mean standard deviation over its group."""
        count, _, height, width = x.shape
        group = count if self.group is None else min(self.group, count)
        if count % group:
            raise ValueError(f"a batch of {count} does not divide into groups of {group}")
        with full_precision(x):
            grouped = at_least_float32(x).reshape(group, count // group, -1)
            deviation = (grouped.var(dim=0, unbiased=False) + 1e-8).sqrt().mean(dim=1)
        return deviation.to(x.dtype).repeat(group).view(count, 1, 1, 1).expand(-1, 1, height, width)
