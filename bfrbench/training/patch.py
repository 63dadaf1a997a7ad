"""A discriminator that judges patches: as pix2pix's in what it sees, built of StyleGAN2's layers.

Equalised layers and a low-pass filter before each halving take the place of batch normalisation and bare strides, so
that rates and R1 are those of the other discriminator.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

from bfrbench.errors import UsageError
from bfrbench.nn import ConvLayer, EqualConv2d, widths

_HALVINGS = 3
_SMALLEST = 32
"""Below it fewer than 4×4 patches would be judged."""


class PatchDiscriminator(nn.Module):
    """Images [N, 3, size, size] to one logit for each patch [N, 1, size / 8, size / 8]; a patch is 68 pixels wide."""

    def __init__(self, size: int, *, multiplier: float = 2.0, narrow: float = 1.0) -> None:
        super().__init__()
        if size < _SMALLEST:
            problem = f"a discriminator of patches needs {_SMALLEST} px, and the model has {size}"
            raise UsageError(problem, "take task.discriminator=stylegan2")
        channels = [widths(size, multiplier, narrow)[size >> octave] for octave in range(_HALVINGS + 1)]
        halvings = [ConvLayer(into, out, 3, down=True) for into, out in pairwise(channels)]
        self.convs = nn.Sequential(ConvLayer(3, channels[0], 1), *halvings, ConvLayer(channels[-1], channels[-1], 3))
        self.final_conv = EqualConv2d(channels[-1], 1, 3, padding=1)

    def forward(self, image: Tensor) -> Tensor:
        return self.judge(image)[0]

    def judge(self, image: Tensor) -> tuple[Tensor, list[Tensor]]:
        """The logits, and the features after each layer, finest first."""
        x = image.contiguous(memory_format=torch.channels_last)
        features = []
        for layer in self.convs:
            x = layer(x)
            features.append(x)
        logits: Tensor = self.final_conv(x)
        return logits, features
