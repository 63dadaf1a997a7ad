"""Networks that judge inside losses: recognition and perceptual trunks, from the weight store, never random ones.

A network used here is not used to score the model that it trained: cards name it, and boards flag the overlap.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from bfrbench.errors import UnknownName

if TYPE_CHECKING:
    from bfrbench.weights import WeightStore
    from bfrbench.weights.arrays import Arrays

Trunk = Callable[[Tensor], "list[Tensor]"]

_VGG19 = {"relu1_2": 3, "relu2_2": 8, "relu3_4": 17, "relu4_4": 26, "relu5_4": 35}
_IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
_CAFFE_MEAN = (103.939, 116.779, 123.68)


def perceptual_trunk(name: str, device: torch.device, store: WeightStore | None = None) -> Trunk:
    """Images in [-1, 1] to features of some layers: `vgg19` (pre-activation, GFPGAN's layers) or
    `squeezenet1.1-keras`."""
    from bfrbench.weights import WeightStore

    makers = {"vgg19": _Vgg19, "squeezenet1.1-keras": _SqueezeNet}
    if name not in makers:
        raise UnknownName("perceptual trunk", name, makers)
    path = (store or WeightStore()).path(name)
    return makers[name](path).to(device).eval().requires_grad_(False)


def identity_network(device: torch.device, store: WeightStore | None = None) -> Callable[[Tensor], Tensor]:
    """Aligned faces in [-1, 1] (FFHQ crop) to ArcFace IR-SE50 embeddings, by the crop that GPEN's code takes."""
    from facexlib.recognition.arcface_arch import Backbone

    from bfrbench.weights import WeightStore, load_state_dict

    network = Backbone(num_layers=50, drop_ratio=0.6, mode="ir_se")
    network.load_state_dict(load_state_dict((store or WeightStore()).path("arcface-ir-se50")))
    network = network.to(device).eval().requires_grad_(False)

    def embed(images: Tensor) -> Tensor:
        side = images.shape[-1] / 256
        top, left = round(35 * side), round(32 * side)
        face = images[..., top : images.shape[-2] - round(33 * side), left : images.shape[-1] - round(36 * side)]
        out: Tensor = network(nn.functional.adaptive_avg_pool2d(face, 112))
        return out

    return embed


class _Vgg19(nn.Module):
    """torchvision's VGG19 up to conv5_4, features before the rectifiers that GFPGAN names."""

    def __init__(self, path: Path) -> None:
        from torchvision.models import vgg19

        from bfrbench.weights import load_state_dict

        super().__init__()
        table = load_state_dict(path)
        self.layers = vgg19(weights=None).features[: max(_VGG19.values())]
        names = {f"features.{name}": name for name in self.layers.state_dict()}
        self.layers.load_state_dict({short: table[long] for long, short in names.items()})
        for layer in self.layers:
            if isinstance(layer, nn.ReLU):
                layer.inplace = False

    def forward(self, images: Tensor) -> list[Tensor]:
        x, found = _standardised(images), []
        for index, layer in enumerate(self.layers, start=1):
            x = layer(x)
            if index in _VGG19.values():
                found.append(x)
        return found


class _SqueezeNet(nn.Module):
    """SqueezeNet 1.1 as Keras stores it: HWIO kernels, BGR minus Caffe's means. Not torchvision's weights, so a
    distance on it is never LPIPS."""

    FIRES = (2, 3, 4, 5, 6, 7, 8, 9)
    POOLED_BEFORE = (2, 4, 6)

    def __init__(self, path: Path) -> None:
        from bfrbench.weights.arrays import read_h5

        super().__init__()
        table = read_h5(path)
        self.convs = nn.ModuleDict()
        self._add(table, "conv1", stride=2)
        for fire in self.FIRES:
            for part in ("squeeze1x1", "expand1x1", "expand3x3"):
                self._add(table, f"fire{fire}/{part}", padding=1 if part == "expand3x3" else 0)

    def _add(self, table: Arrays, name: str, *, stride: int = 1, padding: int = 0) -> None:
        kernel, bias = _keras(table, name)
        out, into, side, _ = kernel.shape
        conv = nn.Conv2d(into, out, side, stride=stride, padding=padding)
        conv.load_state_dict({"weight": kernel, "bias": bias})
        self.convs[name.replace("/", "_")] = conv

    def forward(self, images: Tensor) -> list[Tensor]:
        levels = ((images + 1) * 127.5).flip(1)
        x = levels - levels.new_tensor(_CAFFE_MEAN).view(1, 3, 1, 1)
        x = torch.relu(self.convs["conv1"](x))
        found = [x]
        for fire in self.FIRES:
            if fire in self.POOLED_BEFORE:
                x = nn.functional.max_pool2d(x, 3, stride=2)
            squeezed = torch.relu(self.convs[f"fire{fire}_squeeze1x1"](x))
            wide = [torch.relu(self.convs[f"fire{fire}_expand{side}x{side}"](squeezed)) for side in (1, 3)]
            x = torch.cat(wide, dim=1)
            if fire in (3, 5, 7, 9):
                found.append(x)
        return found


def _standardised(images: Tensor) -> Tensor:
    mean, deviation = (images.new_tensor(values).view(1, 3, 1, 1) for values in _IMAGENET)
    return ((images + 1) / 2 - mean) / deviation


def _keras(table: Arrays, name: str) -> tuple[Tensor, Tensor]:
    """A convolution's kernel as O×I×H×W and its bias: the arrays of four and of one dimension under its name."""
    own = [value for key, value in table.items() if key.startswith(f"{name}/")]
    (kernel,), (bias,) = ([value for value in own if value.ndim == count] for count in (4, 1))
    return torch.from_numpy(kernel).permute(3, 2, 0, 1).contiguous().float(), torch.from_numpy(bias).float()
