"""StyleGAN2 generators in files: in rosinality's layout of keys, which is ours, and in NVIDIA's for PyTorch.

Nothing of a file is run. What a file keeps besides its weights is checked where it decides what the weights mean (the
low-pass filters) and left out.
"""

from __future__ import annotations

import argparse
import re
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from bfrbench.errors import WeightsError
from bfrbench.nn import Generator, widths
from bfrbench.nn.filters import kernel
from bfrbench.weights.reading import load_state_dict, read_torch

Table = dict[str, Tensor]

_PARTS = ("g_ema", "G_ema")
"""Where training files keep the averaged generator."""
_EXPORT = (
    'in a checkout of stylegan2-ada-pytorch, export it: python -c "import legacy, torch; '
    "G = legacy.load_network_pkl(open('in.pkl', 'rb'))['G_ema']; torch.save(G.state_dict(), 'out.pt')\""
)


@dataclass(frozen=True)
class FiledPrior:
    """A file's tensors under our names."""

    path: Path
    table: Table
    mean_style: Tensor | None = None
    """The mean of w, where the file tells it."""
    discriminator: Table | None = None

    def fill(self, generator: Generator, discriminator: nn.Module | None) -> None:
        """Put the weights into networks of the same shape; the discriminator stays as it is where the file has none."""
        _fit(self.path, self.table, generator)
        if self.discriminator is not None and discriminator is not None:
            _fit(self.path, self.discriminator, discriminator)


def read_prior(path: Path) -> FiledPrior:
    """Read a table of tensors or a training file of either layout, by torch's safe loading or safetensors."""
    if path.suffix == ".pkl":
        raise WeightsError(f"{path} is a pickle of classes, which could only be read by running its code", _EXPORT)
    # Training files of rosinality's code keep their options: a bag of attributes, which runs nothing.
    with torch.serialization.safe_globals([argparse.Namespace]):
        tree = {} if path.suffix == ".safetensors" else read_torch(path)
        part = next((name for name in _PARTS if isinstance(tree, dict) and name in tree), None)
        table = load_state_dict(path, key=part)
        judge = load_state_dict(path, key="d") if part and isinstance(tree, dict) and "d" in tree else None
    table = {key: tensor.float() for key, tensor in table.items()}
    if broken := next((key for key, tensor in table.items() if not tensor.isfinite().all()), None):
        raise WeightsError(f"{path} holds NaN or infinity in {broken}", "the file is damaged, or its training was")
    if "synthesis.b4.const" in table:
        table = _without_filters(path, table, ".resample_filter", gain=1.0)
        mean = table.pop("mapping.w_avg", None)
        return FiledPrior(path, dict(_from_nvidia(path, key, tensor) for key, tensor in table.items()), mean)
    if "input.input" in table and "conv1.conv.weight" in table:
        mean = tree.get("latent_avg") if part else None
        mean = mean.float().flatten() if isinstance(mean, Tensor) else None
        judge = {key: tensor for key, tensor in (judge or {}).items() if not key.endswith(".kernel")} or None
        return FiledPrior(path, _without_filters(path, table, ".kernel", gain=4.0), mean, judge)
    some = f"it has {', '.join(list(table)[:2])}" if table else "it is empty"
    problem = f"{path} is no StyleGAN2 generator in rosinality's or NVIDIA's layout: {some}"
    raise WeightsError(problem, "give a generator's file, or a run of stylegan2-prior")


def _without_filters(path: Path, table: Table, ending: str, *, gain: float) -> Table:
    """Without the filters that the layouts store beside each layer; another filter would be another network."""
    for key, tensor in table.items():
        if key.endswith(ending):
            expected = kernel(gain)
            if tensor.shape != expected.shape or not torch.allclose(tensor, expected, atol=1e-5):
                problem = f"{path} was trained with another low-pass filter than [1, 3, 3, 1] (in {key})"
                raise WeightsError(problem, "such a prior is not supported")
    return {key: tensor for key, tensor in table.items() if not key.endswith(ending)}


_LAYERS = {
    "weight": "conv.weight",
    "affine.weight": "conv.modulation.weight",
    "affine.bias": "conv.modulation.bias",
    "bias": "activate.bias",
    "noise_strength": "noise.weight",
}


def _from_nvidia(path: Path, key: str, tensor: Tensor) -> tuple[str, Tensor]:
    """One tensor by our name and in our shape; the numbers are the same.

    NVIDIA leaves the factor 1/√fan-in out of demodulated weights, where it cancels but for the 1e-8 that guards the
    root; directions of filters agree: a plain correlation, and where a layer doubles, a transposed convolution.
    """
    if found := re.fullmatch(r"mapping\.fc(\d+)\.(weight|bias)", key):
        return f"style.{int(found[1]) + 1}.{found[2]}", tensor  # number 0 normalises
    if key == "synthesis.b4.const":
        return "input.input", tensor[None]
    found = re.fullmatch(r"synthesis\.b(\d+)\.(conv0|conv1|torgb)\.(.+)", key)
    if found is None or found[3] not in {*_LAYERS, "noise_const"}:
        kind = "a conditional model" if key.startswith("mapping.embed") else "of another network"
        raise WeightsError(f"{path} has {key}, so it is {kind}", "give an unconditional StyleGAN2 of skip connections")
    block, layer, what = int(found[1]).bit_length() - 4, found[2], found[3]  # the 8×8 block is number 0
    if layer == "torgb":
        name = "to_rgb1" if block < 0 else f"to_rgbs.{block}"
        return (f"{name}.bias", tensor.view(1, -1, 1, 1)) if what == "bias" else _weight(name, what, tensor)
    number = 2 * block + int(layer[-1])  # -1 is the one layer at 4×4
    if what == "noise_const":
        return f"noises.noise_{number + 1}", tensor[None, None]
    return _weight("conv1" if number < 0 else f"convs.{number}", what, tensor)


def _weight(layer: str, what: str, tensor: Tensor) -> tuple[str, Tensor]:
    shaped = {"weight": lambda: tensor[None], "noise_strength": lambda: tensor.view(1)}
    return f"{layer}.{_LAYERS[what]}", shaped.get(what, lambda: tensor)()


def _fit(path: Path, table: Table, network: nn.Module) -> None:
    wanted = {key: tuple(tensor.shape) for key, tensor in network.state_dict().items()}
    found = {key: tuple(tensor.shape) for key, tensor in table.items()}
    if wanted != found:
        differing = sorted(key for key in wanted.keys() | found.keys() if wanted.get(key) != found.get(key))
        key = differing[0]
        problem = f"{path} does not fit this training: {key} is {found.get(key)} there and {wanted.get(key)} here"
        raise WeightsError(problem, f"train at its size with its settings ({_settings(table)})")
    network.load_state_dict(table)


def _settings(table: Table) -> str:
    """The size and the settings of a generator's file, as far as its tensors tell them."""
    if "input.input" not in table:
        return "its discriminator is of another form"
    blocks = sum(re.fullmatch(r"to_rgbs\.\d+\.bias", key) is not None for key in table)
    size, narrow = 4 << blocks, table["input.input"].shape[1] / 512
    last = table[f"convs.{2 * blocks - 1}.conv.weight"].shape[1] if blocks else 0
    words = [f"size {size}", f"task.narrow={narrow:g}"]
    multiplier = last * size / 16384 / narrow
    if size > 32 and widths(size, multiplier, narrow)[size] == last:
        words.append(f"task.multiplier={multiplier:g}")
    layers = sum(re.fullmatch(r"style\.\d+\.bias", key) is not None for key in table)
    return ", ".join([*words, f"task.style_dim={table['style.1.bias'].shape[0]}", f"task.mapping_layers={layers}"])
