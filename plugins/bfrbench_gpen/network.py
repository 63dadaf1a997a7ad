"""The GPEN network: an encoder whose features take the place of noise in a StyleGAN2 generator.

Parameter names are those of the published checkpoints. What a picture must look like on the way in and out is the
business of the restorers; reading files is that of `checkpoints`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

import torch
from torch import Tensor, nn

from bfrbench.nn import ConvLayer, EqualLinear, Generator, NoiseForm, seeded_noise
from bfrbench.nn.generator import SMALLEST

Variant: TypeAlias = Literal["full", "noise-add", "without-noise", "without-finetuning"]
"""The rows of the paper's Table 1. Without fine-tuning is the full network whose generator training leaves alone."""

_FORMS: dict[Variant, NoiseForm] = {
    "full": "concat",
    "noise-add": "add-wide",
    "without-noise": "none",
    "without-finetuning": "concat",
}


@dataclass(frozen=True)
class GpenShape:
    """Everything that decides the shapes of a GPEN's tensors."""

    size: int
    """Side of the restored image: a power of two from 32."""
    multiplier: float = 2.0
    """Channels above 32 pixels, in units of 256 at 64 pixels."""
    narrow: float = 1.0
    """A factor on every channel count."""
    noise: NoiseForm = "concat"
    in_size: int | None = None
    """Side of the input where it is smaller than the output: the super-resolution form."""
    style_dim: int = 512
    mapping_layers: int = 8

    def __post_init__(self) -> None:
        for side in (self.size, self.entry):
            if side < 32 or side & (side - 1):
                raise ValueError(f"a GPEN's sizes are powers of two from 32, not {side}")
        if self.entry > self.size:
            raise ValueError(
                f"a GPEN of power-of-two sizes cannot take {self.entry} px and give {self.size}: it never shrinks"
            )

    @property
    def entry(self) -> int:
        return self.in_size or self.size

    def variant(self, name: Variant) -> GpenShape:
        """The same sizes as one of the paper's variants."""
        return replace(self, noise=_FORMS[name])

    def __str__(self) -> str:
        entry = f"{self.in_size}→" if self.in_size and self.in_size != self.size else ""
        forms = {"concat": "", "add": ", noise added", "add-wide": ", features added", "none": ", without noise"}
        return (
            f"{entry}{self.size} model with multiplier {self.multiplier:g}, narrow {self.narrow:g}{forms[self.noise]}"
        )


class Gpen(nn.Module):
    """Degraded faces [N, 3, entry, entry] in [-1, 1] to restored faces [N, 3, size, size], not clamped."""

    def __init__(self, shape: GpenShape) -> None:
        super().__init__()
        self.shape = shape
        self.generator = Generator(
            shape.size,
            multiplier=shape.multiplier,
            narrow=shape.narrow,
            noise=shape.noise,
            style_dim=shape.style_dim,
            mapping_layers=shape.mapping_layers,
        )
        widths = self.generator.widths
        sides = [side for side in sorted(widths, reverse=True) if side <= shape.entry]
        self.depth = len(sides)
        self.ecd0 = nn.Sequential(ConvLayer(3, widths[shape.entry], 1))
        for level in range(1, self.depth):
            layer = ConvLayer(widths[sides[level - 1]], widths[sides[level]], 3, down=True)
            self.add_module(f"ecd{level}", nn.Sequential(layer))
        flat = widths[SMALLEST] * SMALLEST**2
        self.final_linear = nn.Sequential(EqualLinear(flat, shape.style_dim, activate=True))

    @property
    def encoder(self) -> list[nn.Module]:
        """The encoder's levels, finest first."""
        return [getattr(self, f"ecd{level}") for level in range(self.depth)]

    def encode(self, image: Tensor) -> tuple[Tensor, list[Tensor]]:
        """w, and the features of each resolution, coarsest first."""
        x, features = image.contiguous(memory_format=torch.channels_last), []
        for level in self.encoder:
            x = level(x)
            features.append(x)
        w: Tensor = self.generator.style(self.final_linear(x.flatten(1)))
        return w, features[::-1]

    def forward(self, image: Tensor, noise: Sequence[Tensor] | None = None) -> Tensor:
        """`noise` has one map for each layer finer than the input (super-resolution form); None draws it afresh.

        The type of `image` is the type of the convolutions; the result is float32 or better.
        """
        w, features = self.encode(image)
        return self.decode(self.generator.spread(w), features, noise, dtype=image.dtype)

    def decode(
        self,
        ws: Tensor,
        features: Sequence[Tensor],
        noise: Sequence[Tensor] | None = None,
        *,
        dtype: torch.dtype | None = None,
    ) -> Tensor:
        """From w per layer and the encoder's features, coarsest first, to images."""
        maps = [features[0], *(skip for skip in features[1:] for _ in range(2))]
        missing = 1 + 2 * (len(self.generator.resolutions) - 1) - len(maps)
        finer: Sequence[Tensor | None] = noise if noise is not None else [None] * missing
        if len(finer) != missing:
            raise ValueError(f"this GPEN takes {missing} noise maps beyond its encoder's features, not {len(finer)}")
        return self.generator.synthesise(ws, [*maps, *finer], dtype=dtype)

    def finer_noise(self, seeds: Sequence[int]) -> list[Tensor]:
        """The noise of the layers that the encoder cannot feed, one seed a sample: what makes them repeatable."""
        shapes = [(channels, side) for channels, side in self.generator.noise_shapes() if side > self.shape.entry]
        return seeded_noise(shapes, seeds, like=self.generator.input.input)
