"""Layers with equalised learning rate, as in StyleGAN2: weights of unit variance, scaled when they are used.

The activation's gain is folded into weight and bias (a leaky rectifier commutes with a positive factor), so that a
layer is one convolution and one pass over its output. `freeze` bakes the factors in, for inference.
"""

from __future__ import annotations

import math
from contextlib import AbstractContextManager, nullcontext

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bfrbench.nn.filters import Blur

SLOPE = 0.2
GAIN = math.sqrt(2.0)
"""Keeps the variance of what passes through the leaky rectifier."""


def leaky(x: Tensor) -> Tensor:
    """The rectifier without its gain, in place: `x` must be a result that nobody else needs."""
    return F.leaky_relu_(x, SLOPE)


def at_least_float32(x: Tensor) -> Tensor:
    return x if x.dtype in (torch.float32, torch.float64) else x.float()


def full_precision(x: Tensor) -> AbstractContextManager[object]:
    """No autocast inside; nothing at all where there is none, so that traced graphs stay plain."""
    kind = x.device.type
    return torch.autocast(kind, enabled=False) if torch.is_autocast_enabled(kind) else nullcontext()


class PixelNorm(nn.Module):
    """Each vector of channels to unit mean square."""

    def forward(self, x: Tensor) -> Tensor:
        return x * torch.rsqrt(x.square().mean(dim=1, keepdim=True) + 1e-8)


class EqualLinear(nn.Module):
    """A linear layer, always in float32 or better: styles are small and everything hangs on them."""

    def __init__(
        self, fan_in: int, fan_out: int, *, bias_init: float = 0.0, lr_mul: float = 1.0, activate: bool = False
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(fan_out, fan_in) / lr_mul)
        self.bias = nn.Parameter(torch.full((fan_out,), bias_init / lr_mul))
        gain = GAIN if activate else 1.0
        self.activate = activate
        self.weight_scale, self.bias_scale = gain * lr_mul / math.sqrt(fan_in), gain * lr_mul

    def forward(self, x: Tensor) -> Tensor:
        with full_precision(x):
            weight = scaled(at_least_float32(self.weight), self.weight_scale)
            bias = scaled(at_least_float32(self.bias), self.bias_scale)
            out = F.linear(at_least_float32(x), weight, bias)
        return leaky(out) if self.activate else out

    def freeze(self, dtype: torch.dtype) -> None:
        self.weight.data, self.bias.data = self.weight.data * self.weight_scale, self.bias.data * self.bias_scale
        self.weight_scale = self.bias_scale = 1.0


class EqualConv2d(nn.Module):
    """A convolution without bias whose weight is scaled by 1/√fan-in."""

    def __init__(self, channels_in: int, channels_out: int, side: int, *, stride: int = 1, padding: int = 0) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(channels_out, channels_in, side, side))
        self.scale = 1.0 / math.sqrt(channels_in * side**2)
        self.stride, self.padding = stride, padding

    def forward(self, x: Tensor, bias: Tensor | None = None, gain: float = 1.0) -> Tensor:
        weight = scaled(self.weight, self.scale * gain).to(x.dtype)
        bias = None if bias is None else scaled(bias, gain).to(x.dtype)
        return F.conv2d(x, weight, bias, stride=self.stride, padding=self.padding)

    def freeze(self, dtype: torch.dtype) -> None:
        self.weight.data = (self.weight.data * self.scale).to(dtype).contiguous(memory_format=torch.channels_last)
        self.scale = 1.0


class ChannelBias(nn.Module):
    """The bias of an activation, one number a channel; the layer that owns it adds it."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(channels))


class ConvLayer(nn.Sequential):
    """[low-pass and halve] → convolution → [bias → leaky rectifier]; children are numbered as published files do."""

    def __init__(
        self, channels_in: int, channels_out: int, side: int, *, down: bool = False, activate: bool = True
    ) -> None:
        parts: list[nn.Module] = []
        halve_early = down and side == 1  # a 1×1 convolution sees one pixel in four: filter only there
        if down:
            parts.append(Blur((side + 1) // 2, stride=2 if halve_early else 1))
        stride, padding = (2, 0) if down and not halve_early else (1, 0 if down else side // 2)
        conv = EqualConv2d(channels_in, channels_out, side, stride=stride, padding=padding)
        parts.append(conv)
        if activate:
            parts.append(ChannelBias(channels_out))
        super().__init__(*parts)
        self._activate, self._gain = activate, GAIN if activate else 1.0

    def forward(self, x: Tensor) -> Tensor:
        *before, conv, bias = list(self) if self._activate else [*self, None]
        for blur in before:
            x = blur(x)
        out: Tensor = conv(x) if bias is None else leaky(conv(x, bias.bias, self._gain))
        return out

    def freeze(self, dtype: torch.dtype) -> None:
        """Runs after the convolution's own `freeze`, which bakes its scale."""
        for part in self:
            if isinstance(part, EqualConv2d):
                part.weight.data = part.weight.data * self._gain
            elif isinstance(part, ChannelBias):
                part.bias.data = (part.bias.data * self._gain).to(dtype)
        self._gain = 1.0


def scaled(x: Tensor, factor: float) -> Tensor:
    return x if factor == 1.0 else x * factor
