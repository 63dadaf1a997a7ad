"""The modulated convolution: a style scales the input channels, and the output is brought back to unit variance.

Scaling the input by the style and the output by the demodulation factor equals giving every sample weights of its own,
and stays one ordinary convolution whatever the batch. Styles and demodulation are computed in float32 or better; the
type of the image alone decides the type of the convolution.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bfrbench.nn.filters import Blur
from bfrbench.nn.layers import EqualLinear, at_least_float32, full_precision, scaled

EPSILON = 1e-8


class ModulatedConv2d(nn.Module):
    """`forward` is the whole operation; `convolve` leaves the last multiplication to a caller who can fuse it."""

    energy: Tensor | None

    def __init__(
        self,
        channels_in: int,
        channels_out: int,
        side: int,
        style_dim: int,
        *,
        demodulate: bool = True,
        upsample: bool = False,
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(1, channels_out, channels_in, side, side))
        self.modulation = EqualLinear(style_dim, channels_in, bias_init=1.0)
        self.scale = 1.0 / math.sqrt(channels_in * side**2)
        self.demodulate, self.padding = demodulate, side // 2
        self.blur = Blur(1, gain=4.0) if upsample else None
        self.register_buffer("energy", None, persistent=False)

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        if self.padding == 0 and self.blur is None and not self.demodulate:
            return self._pointwise(x, w)
        out, demodulation = self.convolve(x, w)
        return out if demodulation is None else out * demodulation.to(out.dtype)

    def _pointwise(self, x: Tensor, w: Tensor) -> Tensor:
        """A 1×1 convolution to few channels: the image is large and weights are small, so each sample gets its own."""
        style, _ = self._factors(w, x.dtype)
        weight = self.weight[0, :, :, 0, 0].to(style.dtype) * style[:, None, :]
        return torch.einsum("noi,nihw->nohw", weight.to(x.dtype), x)

    def convolve(self, x: Tensor, w: Tensor, *, overwrite: bool = False) -> tuple[Tensor, Tensor | None]:
        """The convolution of the styled input, and the factors [N, C, 1, 1] that its output still lacks.

        With `overwrite` the input is scaled in place: it must be a result that nobody else needs.
        """
        style, demodulation = self._factors(w, x.dtype)
        style = style.to(x.dtype)[:, :, None, None]
        x = x.mul_(style) if overwrite else x * style
        weight = self.weight[0].to(x.dtype)
        if self.blur is None:
            out = F.conv2d(x, weight, padding=self.padding)
        else:
            out = self.blur(F.conv_transpose2d(x, weight.transpose(0, 1), stride=2))
        return out, None if demodulation is None else demodulation[:, :, None, None]

    def _factors(self, w: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor | None]:
        """Input factors (style times the weight's scale) and output factors, in float32 or better."""
        with full_precision(w):
            style = scaled(self.modulation(w), self.scale)
            if not self.demodulate:
                return style, None
            energy = self._energy()
            demodulation = torch.rsqrt(style.square() @ energy.t() + EPSILON)
            if dtype == torch.float16:  # keeps the sums within float16's range; cancels exactly
                largest = style.abs().amax(dim=1, keepdim=True).clamp_min(1e-12)
                style, demodulation = style / largest, demodulation * largest
        return style, demodulation

    def _energy(self) -> Tensor:
        """Squared weights summed over the window [C_out, C_in]."""
        if self.energy is not None:
            return self.energy
        return at_least_float32(self.weight[0]).square().sum(dim=(2, 3))

    def freeze(self, dtype: torch.dtype) -> None:
        self.energy = self._energy().detach()
        weight = self.weight.data[0].to(dtype)
        if self.blur is None:
            self.weight.data = weight.contiguous(memory_format=torch.channels_last)[None]
        else:  # laid out for the transposed convolution, which reads it with its channels exchanged
            swapped = weight.transpose(0, 1).contiguous(memory_format=torch.channels_last)
            self.weight.data = swapped.transpose(0, 1)[None]
