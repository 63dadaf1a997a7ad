"""StyleGAN2's low-pass filter, and doubling an image by it; which layers filter is up to those layers.

The four taps act as one depthwise convolution: over so few taps every form is bound by memory, and one pass over the
image is faster than two separable ones. Doubling is a transposed convolution, which computes the polyphase sum
without ever storing the zeros between samples.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

TAPS = (1.0, 3.0, 3.0, 1.0)
"""The filter of every published StyleGAN2 and GPEN, before normalising."""


def kernel(gain: float = 1.0) -> Tensor:
    """The 4×4 filter whose sum is `gain`."""
    taps = torch.tensor(TAPS, dtype=torch.float64, device="cpu")  # numbers even where networks are built on "meta"
    outer = torch.outer(taps, taps)
    return (outer * (gain / outer.sum())).float()


class Blur(nn.Module):
    """Low-pass filter each channel, with `padding` zeros on every side, at every `stride`-th place."""

    kernel: Tensor

    def __init__(self, padding: int, *, gain: float = 1.0, stride: int = 1) -> None:
        super().__init__()
        self.padding, self.stride = padding, stride
        self.register_buffer("kernel", kernel(gain), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        if self.stride == 1 or x.device.type != "cpu":
            return self._filtered(x)
        # oneDNN's way back through a strided depthwise convolution is five times as long in bfloat16 as in float32.
        with torch.autocast("cpu", enabled=False):
            return self._filtered(x.float() if x.dtype == torch.bfloat16 else x).to(x.dtype)

    def _filtered(self, x: Tensor) -> Tensor:
        weight = self.kernel.to(x.dtype).expand(x.shape[1], 1, 4, 4)
        return F.conv2d(x, weight, padding=self.padding, stride=self.stride, groups=x.shape[1])


class Upsample(nn.Module):
    """Twice the size, each new pixel a weighted sum of its four neighbours."""

    kernel: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("kernel", kernel(gain=4.0), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        weight = self.kernel.to(x.dtype).expand(x.shape[1], 1, 4, 4)
        return F.conv_transpose2d(x, weight, stride=2, padding=1, groups=x.shape[1])
