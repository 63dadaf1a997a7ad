"""GPEN's checkpoint files: what a file's tensors say the network is, and the way in and out of the published layout.

Sizes are read off the tensors and never asked for. The published layout stores the low-pass filter once for each
layer that uses it; those copies are checked and left out here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from bfrbench.errors import WeightsError
from bfrbench.nn import NoiseForm, widths
from bfrbench.nn.filters import kernel
from bfrbench.weights.reading import load_state_dict, read_torch
from bfrbench_gpen.network import Gpen, GpenShape

if TYPE_CHECKING:
    from collections.abc import Iterable

Table = dict[str, Tensor]
TRAINING_PART = "g_ema"
"""Where training files, GPEN's own and ours, keep the averaged generator."""


@dataclass(frozen=True)
class Checkpoint:
    """A file's tensors under our names, and the network they belong to."""

    path: Path
    shape: GpenShape
    table: Table
    part: str | None
    """The part of a training file that they were taken from."""

    def network(self) -> Gpen:
        """The network with these weights, ready to restore."""
        with torch.device("meta"):
            network = Gpen(self.shape)
        network.load_state_dict(self.table, strict=True, assign=True)
        return network.eval().requires_grad_(False)


def read_checkpoint(path: Path) -> Checkpoint:
    """Read a bare table of tensors or a training file; what does not fit is said in one sentence."""
    part = None
    if path.suffix != ".safetensors":
        tree = read_torch(path)
        part = TRAINING_PART if isinstance(tree, dict) and TRAINING_PART in tree else None
        del tree
    table = _without_kernels(path, load_state_dict(path, key=part))
    shape = read_shape(path, table)
    _check_fit(path, shape, table)
    table = {key: tensor.float().contiguous() for key, tensor in table.items()}
    broken = next((key for key, tensor in table.items() if not tensor.isfinite().all()), None)
    if broken:
        raise WeightsError(f"{path} holds NaN or infinity in {broken}", "the file is damaged, or its training was")
    return Checkpoint(path, shape, table, part)


def read_shape(path: Path, table: Table) -> GpenShape:
    """What network the tensors are of."""
    _check_kind(path, table)
    convs = _count(table, r"generator\.convs\.(\d+)\.conv\.weight")
    levels = _count(table, r"ecd(\d+)\.0\.[01]\.weight")
    if convs % 2 or convs < 2 or levels < 2:
        problem = f"{path} has {convs} synthesis convolutions and {levels} encoder levels, which no GPEN has"
        raise WeightsError(problem, "the file is cut or of another network")
    size, entry = 4 << (convs // 2), 2 << levels
    channels = {4: table["generator.input.input"].shape[1]}
    for block in range(convs // 2):
        channels[8 << block] = table[f"generator.convs.{2 * block}.conv.weight"].shape[1]
    multiplier, narrow = _factors(path, size, channels)
    try:
        return GpenShape(
            size=size,
            multiplier=multiplier,
            narrow=narrow,
            noise=_noise_form(table),
            in_size=None if entry == size else entry,
            style_dim=table["final_linear.0.weight"].shape[0],
            mapping_layers=_count(table, r"generator\.style\.(\d+)\.weight") - 1,  # number 0 normalises
        )
    except ValueError as error:
        raise WeightsError(f"{path} is of no GPEN ({error})", "check the file") from error


def published_table(network: Gpen) -> Table:
    """The tensors as the published code expects them, filters included."""
    table = {key: tensor.detach().clone() for key, tensor in network.state_dict().items()}
    for name, module in network.named_modules():
        if isinstance(getattr(module, "kernel", None), Tensor):
            table[f"{name}.kernel"] = module.kernel.detach().clone()
    return table


def _without_kernels(path: Path, table: Table) -> Table:
    for key, tensor in table.items():
        if key.endswith(".kernel"):
            expected = kernel(gain=1.0 if key.startswith("ecd") else 4.0)
            if tensor.shape != expected.shape or not torch.allclose(tensor.float(), expected, atol=1e-6):
                problem = f"{path} was trained with another low-pass filter than [1, 3, 3, 1] (in {key})"
                raise WeightsError(problem, "such a model is not supported: retrain it, or report it")
    return {key: tensor for key, tensor in table.items() if not key.endswith(".kernel")}


def _check_kind(path: Path, table: Table) -> None:
    needed = ("generator.input.input", "generator.convs.0.conv.weight", "ecd0.0.0.weight", "final_linear.0.weight")
    missing = [key for key in needed if key not in table]
    if missing:
        raise WeightsError(f"{path} is not a GPEN: {_looks_like(table, missing)}", "give a GPEN generator's file")
    ranks = {"generator.input.input": 4, "generator.convs.0.conv.weight": 5, "final_linear.0.weight": 2}
    for key, rank in ranks.items():
        if table[key].ndim != rank:
            problem = f"{path} is not a GPEN: {key} has {table[key].ndim} dimensions instead of {rank}"
            raise WeightsError(problem, "give a GPEN generator's file")


def _looks_like(table: Table, missing: list[str]) -> str:
    guesses = {
        "final_conv.0.weight": "it looks like a discriminator",
        "conv1.conv.weight": "it looks like a StyleGAN2 generator without an encoder",
        "stylegan_decoder.constant_input.weight": "it looks like a GFPGAN",
        "quantize.embedding.weight": "it looks like a CodeFormer or VQFR",
    }
    for key, guess in guesses.items():
        if key in table:
            return guess
    return f"it has no {missing[0]}" + (f", but {next(iter(table))}" if table else ", it is empty")


def _count(table: Table, pattern: str) -> int:
    found = {int(match.group(1)) for key in table if (match := re.fullmatch(pattern, key))}
    return max(found, default=-1) + 1


def _factors(path: Path, size: int, channels: dict[int, int]) -> tuple[float, float]:
    """The multiplier and narrow that give these channels."""
    narrow = channels[4] / 512
    measured = channels[64] / 256 / narrow if 64 in channels else 2.0
    for multiplier in (2.0, 1.0, 0.5, 4.0, measured):
        if widths(size, multiplier, narrow) == channels:
            return multiplier, narrow
    listed = ", ".join(f"{count} at {side}" for side, count in channels.items())
    problem = f"{path} has channel counts that follow no multiplier and narrow ({listed})"
    raise WeightsError(problem, "the file is altered or of another network")


def _noise_form(table: Table) -> NoiseForm:
    if "generator.conv1.noise.weight" not in table:
        return "none"
    channels = table["generator.conv1.conv.weight"].shape[1]
    return "concat" if table["generator.conv1.activate.bias"].shape[0] == 2 * channels else "add-wide"


def _check_fit(path: Path, shape: GpenShape, table: Table) -> None:
    with torch.device("meta"):
        expected = {key: tuple(tensor.shape) for key, tensor in Gpen(shape).state_dict().items()}
    found = {key: tuple(tensor.shape) for key, tensor in table.items()}
    for what, keys in (("lacks", expected.keys() - found), ("has besides", found.keys() - expected)):
        if keys:
            raise WeightsError(f"{path} is a {shape}, but {what} {_some(keys)}", "the file is cut or altered")
    wrong = next((key for key in expected if expected[key] != found[key]), None)
    if wrong:
        problem = f"{path} is a {shape}, but {wrong} is {found[wrong]} where it has {expected[wrong]}"
        raise WeightsError(problem, "the file is altered or of another network")


def _some(keys: Iterable[str]) -> str:
    names = sorted(keys)
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
