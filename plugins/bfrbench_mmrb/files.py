"""Weights files that trainings here wrote: the header tells the network, the tensors fill it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, TypeVar

from bfrbench_gpen.network import GpenShape
from torch import nn

from bfrbench.errors import WeightsError
from bfrbench.weights import load_state_dict
from bfrbench_mmrb.gpen import GpenMmrb, GpenMmrbShape
from bfrbench_mmrb.network import MmrbShape, MmrbStyleGan2

N = TypeVar("N", bound=nn.Module)


def load_mmrb(path: Path) -> MmrbStyleGan2:
    """The network of a run of `mmrb`."""
    try:
        shape = MmrbShape(**_told(path))
    except (KeyError, TypeError, ValueError) as error:
        raise _other(path, "an MMRB-StyleGAN2", "mmrb", error) from error
    return _filled(MmrbStyleGan2(shape), path)


def load_gpen_mmrb(path: Path) -> GpenMmrb:
    """The network of a run of `gpen-mmrb`."""
    try:
        told = _told(path)
        shape = GpenMmrbShape(**{**told, "gpen": GpenShape(**told["gpen"])})
    except (KeyError, TypeError, ValueError) as error:
        raise _other(path, "a GPEN with blocks", "gpen-mmrb", error) from error
    return _filled(GpenMmrb(shape), path)


def _told(path: Path) -> dict[str, Any]:
    """What the header says of the network."""
    from safetensors import SafetensorError, safe_open

    if not path.is_file():
        raise WeightsError(f"there is no file {path}", "check the path")
    try:
        with safe_open(path, framework="pt") as file:
            header = file.metadata() or {}
    except SafetensorError as error:
        raise ValueError(str(error)) from error
    told = json.loads(header["training"])["network"]
    return {**told, "paths": tuple(told["paths"])}


def _other(path: Path, what: str, recipe: str, error: Exception) -> WeightsError:
    problem = f"{path} is no weights file of {what} trained here ({type(error).__name__}: {error})"
    return WeightsError(problem, f"give the result.safetensors of a run of {recipe}")


def _filled(network: N, path: Path) -> N:
    try:
        network.load_state_dict(load_state_dict(path))
    except RuntimeError as error:
        first = str(error).splitlines()[-1].strip()
        problem = f"{path} does not fit the shape that its header tells ({first})"
        raise WeightsError(problem, "the file is cut") from error
    return network.eval().requires_grad_(False)
