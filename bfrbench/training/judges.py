"""Networks that judge inside losses: recognition and perceptual trunks, from the weight store, never random ones.

A network used here is not used to score the model that it trained: cards name it, and boards flag the overlap.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor, nn

from bfrbench.errors import UnknownName, UsageError
from bfrbench.training import losses
from bfrbench.training.task import Terms
from bfrbench.weights import WeightStore, load_state_dict
from bfrbench.weights.handing import LPIPS_CARDS, lpips_network

if TYPE_CHECKING:
    from bfrbench.weights.arrays import Arrays

_IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
_CAFFE_MEAN = (103.939, 116.779, 123.68)
_LAYERS: dict[str, dict[int, float]] = {
    "vgg19": {3: 0.1, 8: 0.1, 17: 1.0, 26: 1.0, 35: 1.0},
    "vgg16": {4: 1.0, 9: 1.0, 16: 1.0, 23: 1.0, 30: 1.0},
    "alexnet": {2: 1.0, 5: 1.0, 8: 1.0, 10: 1.0, 12: 1.0},
    "squeezenet1.1": {2: 1.0, 5: 1.0, 8: 1.0, 10: 1.0, 11: 1.0, 12: 1.0, 13: 1.0},
}
"""torchvision's trunks: how many of its layers give each feature, and what the feature counts. Of VGG19 those of
GFPGAN, before the rectifiers, with its weights; of the others those that LPIPS takes, all alike (our choice)."""
_LPIPS: dict[str, Literal["alex", "vgg", "squeeze"]] = {
    "lpips-alex": "alex",
    "lpips-vgg": "vgg",
    "lpips-squeeze": "squeeze",
}
_KERAS = "squeezenet1.1-keras"


class Perceptual:
    """How far restored faces are from the true ones by a network that has seen many pictures: L1 of a trunk's
    features and of their Gram matrices, or LPIPS as it is. Images are in [-1, 1]."""

    def __init__(self, name: str, device: torch.device, store: WeightStore | None = None) -> None:
        store = store or WeightStore()
        self.cards: tuple[str, ...] = (name,)
        self.layers: list[float] = []
        self.network: nn.Module
        if name in _LPIPS:
            self.cards = LPIPS_CARDS[_LPIPS[name]]
            self.network = lpips_network(_LPIPS[name], store)
        elif name in _LAYERS:
            self.layers = list(_LAYERS[name].values())
            self.network = _Torchvision(name, store.path(name))
        elif name == _KERAS:
            self.network = _SqueezeNet(store.path(name))
            self.layers = [1.0] * (1 + len(_SqueezeNet.TAKEN))
        else:
            raise UnknownName("perceptual trunk", name, (*_LAYERS, _KERAS, *_LPIPS))
        self.network = self.network.to(device).eval().requires_grad_(False)

    def terms(self, real: Tensor, fake: Tensor, *, features: float, style: float) -> Terms:
        """The parts of a loss, each at its weight; those without any are left out."""
        if not self.layers:
            if style:
                raise UsageError("LPIPS compares no Gram matrices", "set task.style=0, or another perceptual_trunk")
            return {"perceptual": features * self.network(real, fake).mean()}
        with torch.no_grad():
            known = self.network(real)
        seen, terms = self.network(fake), {}
        if features:
            terms["perceptual"] = features * losses.perceptual(known, seen, self.layers)
        if style:
            terms["style"] = style * losses.style(known, seen, self.layers)
        return terms


def identity_network(device: torch.device, store: WeightStore | None = None) -> Callable[[Tensor], Tensor]:
    """Aligned faces in [-1, 1] (FFHQ crop) to ArcFace IR-SE50 embeddings, by the crop that GPEN's code takes."""
    from facexlib.recognition.arcface_arch import Backbone

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


class _Torchvision(nn.Module):
    """torchvision's convolutional part up to the last feature that is wanted."""

    def __init__(self, name: str, path: Path) -> None:
        import torchvision.models

        super().__init__()
        table, make = load_state_dict(path), getattr(torchvision.models, name.replace(".", "_"))
        self.taken = frozenset(_LAYERS[name])
        with torch.device("meta"):  # drawing numbers that are replaced at once takes VGG seconds
            self.layers = make(weights=None).features[: max(self.taken)]
        tensors = {key: table[f"features.{key}"] for key in self.layers.state_dict()}
        self.layers.load_state_dict(tensors, assign=True)
        for layer in self.layers.modules():
            if isinstance(layer, nn.ReLU):
                layer.inplace = False

    def forward(self, images: Tensor) -> list[Tensor]:
        x, found = _standardised(images), []
        for index, layer in enumerate(self.layers, start=1):
            x = layer(x)
            if index in self.taken:
                found.append(x)
        return found


class _SqueezeNet(nn.Module):
    """SqueezeNet 1.1 as Keras stores it: HWIO kernels, BGR minus Caffe's means. Not torchvision's weights, so a
    distance on it is never LPIPS."""

    FIRES = (2, 3, 4, 5, 6, 7, 8, 9)
    POOLED_BEFORE = (2, 4, 6)
    TAKEN = (3, 5, 7, 9)

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
            if fire in self.TAKEN:
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
