"""The network of the `lite` metrics: one small trunk whose layers, pooled features and embedding are compared.

What is compared and how is the metrics' business (`bfrbench.metrics.lite`); how it learns, `training`'s.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bfrbench.errors import WeightsError
from bfrbench.imaging.resize import resize_batch

SIDE = 128
"""Pixels of a side of what the network sees, the FFHQ crop; other sizes are brought to it by `seen`."""
WIDTHS = (12, 32, 64, 128)
"""Channels of the four stages, at a half, a quarter, an eighth and a sixteenth of the side. The first is the dearest
on a CPU, so it is narrow, and has neither normalisation nor a slope to learn."""
BLOCKS = (0, 0, 0, 1)
"""Residual blocks in each stage."""
REDUCED = 32
EMBEDDING = 128


class Unit(nn.Module):
    """Convolution and rectifier; in training with a batch normalisation between, which `folded` takes in."""

    def __init__(self, into: int, out: int, side: int, stride: int, *, norm: bool, rectified: bool = True) -> None:
        super().__init__()
        self.conv = nn.Conv2d(into, out, side, stride, side // 2, bias=not norm)
        self.norm = nn.BatchNorm2d(out) if norm else None
        self.rectify = nn.PReLU(out) if rectified else None

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(x)
        x = x if self.norm is None else self.norm(x)
        return x if self.rectify is None else self.rectify(x)


class Block(nn.Module):
    """Two convolutions beside a plain path."""

    def __init__(self, width: int, *, norm: bool) -> None:
        super().__init__()
        self.first = Unit(width, width, 3, 1, norm=norm)
        self.second = Unit(width, width, 3, 1, norm=norm, rectified=False)
        self.rectify = nn.PReLU(width)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.rectify(x + self.second(self.first(x)))
        return out


class LiteNetwork(nn.Module):
    """Faces in [-1, 1], N×3×128×128. `norm` is on in training alone."""

    def __init__(self, *, norm: bool = False) -> None:
        super().__init__()
        stem = nn.Sequential(nn.Conv2d(3, WIDTHS[0], 5, 2, 2), nn.ReLU())
        self.stages = nn.ModuleList([stem])
        for into, width, blocks in zip(WIDTHS, WIDTHS[1:], BLOCKS[1:], strict=False):
            first = Unit(into, width, 3, 2, norm=norm)
            self.stages.append(nn.Sequential(first, *(Block(width, norm=norm) for _ in range(blocks))))
        self.reduce = Unit(WIDTHS[-1], REDUCED, 1, 1, norm=norm)
        self.embedding = nn.Linear(REDUCED * (SIDE // 16) ** 2, EMBEDDING)

    def layers(self, faces: Tensor) -> list[Tensor]:
        """What each stage says, finest first."""
        found = [faces]
        for stage in self.stages:
            found.append(stage(found[-1]))
        return found[1:]

    def pooled(self, layers: list[Tensor]) -> Tensor:
        """The mean of each channel of all stages but the first, N×224."""
        return torch.cat([layer.mean(dim=(2, 3)) for layer in layers[1:]], dim=1)

    def spread(self, layers: list[Tensor]) -> Tensor:
        """The last stage with its places kept, N×2048: what embedding and landmarks are read from."""
        reduced: Tensor = self.reduce(layers[-1])
        return reduced.flatten(1)

    def embed(self, layers: list[Tensor]) -> Tensor:
        """N×128 of length one."""
        return F.normalize(self.embedding(self.spread(layers)))


def seen(images: Tensor) -> Tensor:
    """Images in [0, 1] of any size as the network sees them: bicubic with antialiasing, clipped, in [-1, 1]."""
    return resize_batch(images.float(), (SIDE, SIDE)).clamp(0, 1) * 2 - 1


def folded(trained: LiteNetwork) -> LiteNetwork:
    """The same function with every batch normalisation inside its convolution."""
    plain = LiteNetwork()
    kept = {name: value for name, value in trained.state_dict().items() if ".norm." not in name}
    for name, unit in trained.named_modules():
        if isinstance(unit, Unit) and unit.norm is not None:
            assert unit.norm.running_var is not None and unit.norm.running_mean is not None
            gain = unit.norm.weight / (unit.norm.running_var + unit.norm.eps).sqrt()
            kept[f"{name}.conv.weight"] = unit.conv.weight * gain.view(-1, 1, 1, 1)
            kept[f"{name}.conv.bias"] = unit.norm.bias - unit.norm.running_mean * gain
    plain.load_state_dict(kept)
    return plain.to(next(trained.parameters()).device).eval().requires_grad_(False)


def load(path: Path, device: torch.device | str = "cpu") -> LiteNetwork:
    """The network from the file that `lite-metrics` wrote, in float32."""
    from bfrbench.weights import load_state_dict

    network = LiteNetwork()
    try:
        network.load_state_dict({name: value.float() for name, value in load_state_dict(path).items()})
    except RuntimeError as error:
        reason = " ".join(str(error).split())[:200]
        raise WeightsError(f"{path} is not the network of the lite metrics ({reason})", "get the named file") from error
    return network.to(device).eval().requires_grad_(False)
