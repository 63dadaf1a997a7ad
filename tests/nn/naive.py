"""StyleGAN2 and GPEN written literally, sample by sample and in float64: what ours is compared with.

Slow on purpose: per-sample weights, filters as explicit sums over an image stuffed with zeros, no shared code.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

Table = dict[str, Tensor]


def literal_filter(x: Tensor, *, up: int = 1, pad: tuple[int, int], gain: float = 1.0) -> Tensor:
    """Stuff with zeros, pad with zeros, and sum sixteen shifted copies."""
    count, channels, height, width = x.shape
    stuffed = x.new_zeros(count, channels, height * up, width * up)
    stuffed[:, :, ::up, ::up] = x
    padded = F.pad(stuffed, (pad[0], pad[1], pad[0], pad[1]))
    taps = [1.0, 3.0, 3.0, 1.0]
    rows, columns = padded.shape[2] - 3, padded.shape[3] - 3
    out = x.new_zeros(count, channels, rows, columns)
    for i in range(4):
        for j in range(4):
            out = out + gain * taps[i] * taps[j] / 64 * padded[:, :, i : i + rows, j : j + columns]
    return out


def linear(x: Tensor, table: Table, name: str, lr_mul: float = 1.0) -> Tensor:
    weight = table[f"{name}.weight"]
    return x @ weight.t() * (lr_mul / math.sqrt(weight.shape[1])) + table[f"{name}.bias"] * lr_mul


def activate(x: Tensor) -> Tensor:
    return torch.where(x > 0, x, 0.2 * x) * math.sqrt(2)


def modulated(x: Tensor, w: Tensor, table: Table, name: str, *, up: bool = False, demodulate: bool = True) -> Tensor:
    """Each sample convolved with its own weights."""
    weight = table[f"{name}.weight"][0]
    weight = weight / math.sqrt(weight[0].numel())
    styles = linear(w, table, f"{name}.modulation")
    outs = []
    for image, style in zip(x, styles, strict=True):
        own = weight * style[None, :, None, None]
        if demodulate:
            own = own / (own.square().sum(dim=(1, 2, 3), keepdim=True) + 1e-8).sqrt()
        if up:
            grown = F.conv_transpose2d(image[None], own.transpose(0, 1), stride=2)
            outs.append(literal_filter(grown, pad=(1, 1), gain=4.0))
        else:
            outs.append(F.conv2d(image[None], own, padding=own.shape[-1] // 2))
    return torch.cat(outs)


def styled(x: Tensor, w: Tensor, noise: Tensor | None, table: Table, name: str, *, up: bool = False) -> Tensor:
    x = modulated(x, w, table, f"{name}.conv", up=up)
    bias = table[f"{name}.activate.bias"]
    if noise is not None:
        noise = noise * table[f"{name}.noise.weight"]
        x = torch.cat((x, noise), dim=1) if len(bias) == 2 * x.shape[1] else x + noise
    return activate(x + bias[None, :, None, None])


def to_rgb(x: Tensor, w: Tensor, before: Tensor | None, table: Table, name: str) -> Tensor:
    out = modulated(x, w, table, f"{name}.conv", demodulate=False) + table[f"{name}.bias"]
    return out if before is None else out + literal_filter(before, up=2, pad=(2, 1), gain=4.0)


def mapping(z: Tensor, table: Table, prefix: str = "") -> Tensor:
    z = z / (z.square().mean(dim=1, keepdim=True) + 1e-8).sqrt()
    for layer in range(1, 9):
        z = activate(linear(z, table, f"{prefix}style.{layer}", lr_mul=0.01))
    return z


def synthesis(ws: Tensor, noise: list[Tensor | None], table: Table, prefix: str = "") -> Tensor:
    x = table[f"{prefix}input.input"].repeat(len(ws), 1, 1, 1)
    x = styled(x, ws[:, 0], noise[0], table, f"{prefix}conv1")
    image = to_rgb(x, ws[:, 1], None, table, f"{prefix}to_rgb1")
    for block in range((len(noise) - 1) // 2):
        layer = 2 * block + 1
        x = styled(x, ws[:, layer], noise[layer], table, f"{prefix}convs.{layer - 1}", up=True)
        x = styled(x, ws[:, layer + 1], noise[layer + 1], table, f"{prefix}convs.{layer}")
        image = to_rgb(x, ws[:, layer + 2], image, table, f"{prefix}to_rgbs.{block}")
    return image


def encoder_layer(x: Tensor, table: Table, name: str, *, down: bool) -> Tensor:
    if down:
        x = literal_filter(x, pad=(2, 2))
    weight = table[f"{name}.{int(down)}.weight"]
    x = F.conv2d(x, weight / math.sqrt(weight[0].numel()), stride=2 if down else 1, padding=same(weight, down))
    return activate(x + table[f"{name}.{int(down) + 1}.bias"][None, :, None, None])


def same(weight: Tensor, down: bool) -> int:
    return 0 if down else weight.shape[-1] // 2


def gpen(image: Tensor, table: Table) -> Tensor:
    depth = sum(key.startswith("ecd") and key.endswith(".bias") for key in table)
    x, skips = image, []
    for level in range(depth):
        x = encoder_layer(x, table, f"ecd{level}.0", down=level > 0)
        skips.append(x)
    w = mapping(activate(linear(x.flatten(1), table, "final_linear.0")), table, "generator.")
    maps = [skip for skip in skips for _ in range(2)][::-1][1:]
    noise = [None] * len(maps) if "generator.conv1.noise.weight" not in table else maps
    return synthesis(w[:, None].repeat(1, len(maps) + 1, 1), noise, table, "generator.")


def discriminator(image: Tensor, table: Table) -> Tensor:
    """With minibatch statistics over the whole batch."""
    x = encoder_layer(image, table, "convs.0", down=False)
    for block in range(1, 1 + sum(key.endswith("skip.1.weight") for key in table)):
        name = f"convs.{block}"
        deep = encoder_layer(encoder_layer(x, table, f"{name}.conv1", down=False), table, f"{name}.conv2", down=True)
        weight = table[f"{name}.skip.1.weight"]
        skip = F.conv2d(literal_filter(x, pad=(1, 1)), weight / math.sqrt(weight.shape[1]), stride=2)
        x = (deep + skip) / math.sqrt(2)
    deviation = ((x - x.mean(dim=0)).square().mean(dim=0) + 1e-8).sqrt().mean()
    x = torch.cat((x, deviation.expand(len(x), 1, *x.shape[-2:])), dim=1)
    x = encoder_layer(x, table, "final_conv", down=False).flatten(1)
    return linear(activate(linear(x, table, "final_linear.0")), table, "final_linear.1")
