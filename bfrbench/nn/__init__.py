"""StyleGAN2 in plain torch, shared by every restorer built on it: generator, discriminator, and their layers."""

from bfrbench.nn.discriminator import Discriminator
from bfrbench.nn.filters import Blur, Upsample
from bfrbench.nn.frozen import frozen
from bfrbench.nn.generator import Generator, widths
from bfrbench.nn.layers import ConvLayer, EqualConv2d, EqualLinear, PixelNorm
from bfrbench.nn.modulation import ModulatedConv2d
from bfrbench.nn.noise import seeded_noise
from bfrbench.nn.styled import NoiseForm, StyledConv, ToRGB

__all__ = [
    "Generator",
    "Discriminator",
    "widths",
    "frozen",
    "seeded_noise",
    "NoiseForm",
    "StyledConv",
    "ToRGB",
    "ModulatedConv2d",
    "ConvLayer",
    "EqualConv2d",
    "EqualLinear",
    "PixelNorm",
    "Blur",
    "Upsample",
]
