"""The two layers of a synthesis network: a styled convolution with its noise, and the step to RGB."""

from __future__ import annotations

from typing import Literal, TypeAlias

import torch
from torch import Tensor, nn

from bfrbench.nn.filters import Upsample
from bfrbench.nn.layers import GAIN, ChannelBias, at_least_float32, full_precision, leaky
from bfrbench.nn.modulation import ModulatedConv2d

NoiseForm: TypeAlias = Literal["add", "add-wide", "concat", "none"]
"""How noise, or an encoder's features in its place, enters: StyleGAN2 adds one channel; GPEN concatenates a map with
as many channels as the image has, or (its ablation) adds it; "none" has no such input."""


class NoiseStrength(nn.Module):
    """One learned factor, zero at the start."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))


class StyledConv(nn.Module):
    """Modulated convolution → noise added or concatenated → bias → leaky rectifier."""

    def __init__(
        self, channels_in: int, channels_out: int, style_dim: int, *, upsample: bool = False, noise: NoiseForm = "add"
    ) -> None:
        super().__init__()
        self.form = noise
        self.conv = ModulatedConv2d(channels_in, channels_out, 3, style_dim, upsample=upsample)
        self.noise = None if noise == "none" else NoiseStrength()
        self.activate = ChannelBias(channels_out * (2 if noise == "concat" else 1))

    def forward(self, x: Tensor, w: Tensor, noise: Tensor | None, *, overwrite: bool = False) -> Tensor:
        """`noise` is [N or 1, channels or 1, H, W]; without it, fresh noise is drawn where the form wants any."""
        out, demodulation = self.conv.convolve(x, w, overwrite=overwrite)
        assert demodulation is not None
        factor = (demodulation * GAIN).to(out.dtype)
        bias = (self.activate.bias * GAIN).to(out.dtype)[:, None, None]
        if self.noise is None:
            return leaky(torch.addcmul(bias, out, factor))
        noise = self._draw(out) if noise is None else noise.to(out.dtype)
        strength = (self.noise.weight * GAIN).to(out.dtype)
        if self.form != "concat":
            return leaky(torch.addcmul(bias, out, factor) + noise * strength)
        if torch.is_grad_enabled() or torch.compiler.is_compiling():
            return leaky(torch.cat((out * factor, (noise * strength).expand_as(out)), dim=1) + bias)
        return leaky(_side_by_side(out, factor, noise, strength, bias, reuse=x if overwrite else None))

    def _draw(self, out: Tensor) -> Tensor:
        return torch.randn_like(out[:, :1] if self.form == "add" else out)


def _side_by_side(
    left: Tensor, factor: Tensor, right: Tensor, strength: Tensor, bias: Tensor, *, reuse: Tensor | None
) -> Tensor:
    """cat(left·factor, right·strength) + bias, written once, into `reuse` where that has room: fresh memory is the
    dearest part of this on a CPU."""
    count, channels, height, width = left.shape
    shape = (count, 2 * channels, height, width)
    if reuse is not None and reuse.shape == shape:
        out = reuse
    else:
        channels_last = left.is_contiguous(memory_format=torch.channels_last)
        layout = torch.channels_last if channels_last else torch.contiguous_format
        out = torch.empty(shape, dtype=left.dtype, device=left.device, memory_format=layout)
    torch.addcmul(bias[:channels], left, factor, out=out[:, :channels])
    torch.addcmul(bias[channels:], right.expand_as(left), strength, out=out[:, channels:])
    return out


class ToRGB(nn.Module):
    """A styled 1×1 convolution without demodulation, added to the doubled image so far, in float32 or better."""

    def __init__(self, channels_in: int, style_dim: int, *, upsample: bool = True) -> None:
        super().__init__()
        self.conv = ModulatedConv2d(channels_in, 3, 1, style_dim, demodulate=False)
        self.bias = nn.Parameter(torch.zeros(1, 3, 1, 1))
        self.upsample = Upsample() if upsample else None

    def forward(self, x: Tensor, w: Tensor, image: Tensor | None = None) -> Tensor:
        out = at_least_float32(self.conv(x, w)) + at_least_float32(self.bias)
        if image is None:
            return out
        with full_precision(image):
            return out + (image if self.upsample is None else self.upsample(image))
