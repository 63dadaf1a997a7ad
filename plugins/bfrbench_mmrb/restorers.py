"""MMRB-StyleGAN2 and GPEN with MMRBs as restorers."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from torch import Tensor

from bfrbench.contracts import Batch
from bfrbench.errors import WeightsError
from bfrbench.imaging.resize import resize_batch
from bfrbench.restorers import RestorerContext
from bfrbench.weights import load_state_dict
from bfrbench_mmrb.network import MmrbShape, MmrbStyleGan2


class MmrbRestorer:
    """Faces of any size in: they are brought to the network's size, which the file tells, and back."""

    def __init__(self, context: RestorerContext) -> None:
        path = Path(context.argument or "")
        self.module = load_network(path).to(context.device)
        self.device = torch.device(context.device)
        self.dtype = getattr(torch, context.precision)
        size = self.module.shape.size
        if context.spec.size is not None and size != context.spec.size:
            problem = f"{path} works at {size} px, and {context.spec.id} at {context.spec.size}"
            raise WeightsError(problem, f"use mmrb:{path}, which reads the size off the file")

    def restore(self, batch: Batch) -> Tensor:
        size = (batch.lq.shape[-2], batch.lq.shape[-1])
        side = self.module.shape.size
        shown = resize_batch(batch.lq.to(self.device), (side, side)).clamp(0, 1) * 2 - 1
        with torch.no_grad(), torch.autocast(self.device.type, self.dtype, enabled=self.dtype != torch.float32):
            out = self.module(shown)
        return resize_batch((out.float() / 2 + 0.5).clamp(0, 1), size).clamp(0, 1).to(batch.lq.device)


def load_network(path: Path) -> MmrbStyleGan2:
    """The network of a weights file that a training here wrote: its header tells the shape."""
    if not path.is_file():
        raise WeightsError(f"there is no file {path}", "check the path")
    network = MmrbStyleGan2(read_shape(path))
    try:
        network.load_state_dict(load_state_dict(path))
    except RuntimeError as error:
        first = str(error).splitlines()[-1].strip()
        raise WeightsError(
            f"{path} does not fit the shape that its header tells ({first})", "the file is cut"
        ) from error
    return network.eval().requires_grad_(False)


def read_shape(path: Path) -> MmrbShape:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            header = file.metadata() or {}
        told = json.loads(header["training"])["network"]
        return MmrbShape(**{**told, "paths": tuple(told["paths"])})
    except (SafetensorError, KeyError, TypeError, ValueError) as error:
        problem = f"{path} is no weights file of an MMRB-StyleGAN2 trained here ({type(error).__name__}: {error})"
        raise WeightsError(problem, "give the result.safetensors of a run of mmrb") from error
