"""StyleGAN2's low-pass filter, and doubling an image by it; which layers filter is up to those layers.

The four taps act as one depthwise convolution: over so few taps every form is bound by memory, and one pass over the
image is faster than two separable ones. Doubling is a transposed convolution, which computes the polyphase sum
without ever storing the zeros between samples.
"""

from __future__ import annotations

from typing import Any

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
        return narrow(x, self.kernel.to(x.dtype), self.stride, self.padding)


class Upsample(nn.Module):
    """Twice the size, each new pixel a weighted sum of its four neighbours."""

    kernel: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("kernel", kernel(gain=4.0), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        return widen(x, self.kernel.to(x.dtype), 2, 1, (2 * x.shape[2], 2 * x.shape[3]))


def narrow(x: Tensor, taps: Tensor, stride: int, padding: int) -> Tensor:
    """Every channel filtered, at every `stride`-th place."""
    return _Narrow.apply(x, taps, stride, padding) if _learnt(x) else _narrow(x, taps, stride, padding)


def widen(x: Tensor, taps: Tensor, stride: int, padding: int, sides: tuple[int, int]) -> Tensor:
    """The transpose of `narrow`, to an image of these sides."""
    return _Widen.apply(x, taps, stride, padding, sides) if _learnt(x) else _widen(x, taps, stride, padding, sides)


def _learnt(x: Tensor) -> bool:
    """Whether there is a way back through here. A compiler, which takes no second derivatives, finds its own."""
    return torch.is_grad_enabled() and x.requires_grad and not torch.compiler.is_compiling()


def _narrow(x: Tensor, taps: Tensor, stride: int, padding: int) -> Tensor:
    return F.conv2d(x, _each(taps, x), stride=stride, padding=padding, groups=x.shape[1])


def _widen(x: Tensor, taps: Tensor, stride: int, padding: int, sides: tuple[int, int]) -> Tensor:
    if stride == 1:  # the taps are the same both ways round
        return F.conv2d(x, _each(taps, x), padding=len(taps) - 1 - padding, groups=x.shape[1])
    least = [(side - 1) * stride - 2 * padding + len(taps) for side in x.shape[2:]]
    extra = [side - short for side, short in zip(sides, least, strict=True)]
    return F.conv_transpose2d(x, _each(taps, x), None, stride, padding, extra, x.shape[1])


def _each(taps: Tensor, x: Tensor) -> Tensor:
    return taps.expand(x.shape[1], 1, *taps.shape)


class _Narrow(torch.autograd.Function):
    """Filtering with a way back that is filtering again, as often as it is differentiated. What torch derives of the
    way back through a depthwise convolution is one convolution for each channel: a thousand for one R1 penalty."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, taps: Tensor, stride: int, padding: int) -> Tensor:
        ctx.save_for_backward(taps)
        ctx.how, ctx.sides, ctx.dtype = (stride, padding), tuple(x.shape[2:]), x.dtype
        return _narrow(x, taps, stride, padding)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Any:
        (taps,) = ctx.saved_tensors
        stride, padding = ctx.how
        return widen(gradient, taps.to(gradient.dtype), stride, padding, ctx.sides).to(ctx.dtype), None, None, None


class _Widen(torch.autograd.Function):
    """The transpose of `_Narrow`, and the other way round."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, taps: Tensor, stride: int, padding: int, sides: tuple[int, int]) -> Tensor:
        ctx.save_for_backward(taps)
        ctx.how, ctx.dtype = (stride, padding), x.dtype
        return _widen(x, taps, stride, padding, sides)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Any:
        (taps,) = ctx.saved_tensors
        stride, padding = ctx.how
        return narrow(gradient, taps.to(gradient.dtype), stride, padding).to(ctx.dtype), None, None, None, None
