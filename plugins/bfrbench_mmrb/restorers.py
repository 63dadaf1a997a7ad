"""MMRB-StyleGAN2 and GPEN with MMRBs as restorers."""

from __future__ import annotations

from pathlib import Path

import torch
from bfrbench_gpen.network import Gpen
from bfrbench_gpen.restorers import Restoration
from torch import Tensor

from bfrbench.contracts import Batch
from bfrbench.errors import WeightsError
from bfrbench.imaging.resize import resize_batch
from bfrbench.nn import frozen
from bfrbench.restorers import RestorerContext
from bfrbench.restorers.alpha import Alpha
from bfrbench.weights import WeightStore
from bfrbench_mmrb.files import load_gpen_mmrb, load_mmrb


class MmrbRestorer:
    """Faces of any size in: they are brought to the network's size, which the file tells, and back."""

    usual_alpha = 1.0

    def __init__(self, context: RestorerContext) -> None:
        own = context.spec.weights
        path = WeightStore().path(own[0]) if own else Path(context.argument or "")
        self.module = frozen(load_mmrb(path)).to(context.device)
        self.device = torch.device(context.device)
        self.dtype = getattr(torch, context.precision)
        self.alpha = Alpha(context, self.usual_alpha)
        size = self.module.shape.size
        if context.spec.size is not None and size != context.spec.size:
            problem = f"{path} works at {size} px, and {context.spec.id} at {context.spec.size}"
            raise WeightsError(problem, f"use mmrb:{path}, which reads the size off the file")

    def restore(self, batch: Batch) -> Tensor:
        size = (batch.lq.shape[-2], batch.lq.shape[-1])
        side = self.module.shape.size
        images = batch.lq.to(self.device)
        shown = resize_batch(images, (side, side)).clamp(0, 1) * 2 - 1
        with torch.no_grad(), torch.autocast(self.device.type, self.dtype, enabled=self.dtype != torch.float32):
            out = self.module(shown)
        restored = resize_batch((out.float() / 2 + 0.5).clamp(0, 1), size).clamp(0, 1)
        return self.alpha.mixed(restored, images, batch.point).to(batch.lq.device)


class MmrbLite(MmrbRestorer):
    """The small model in the package, at the alpha at which its PSNR on training people is best."""

    usual_alpha = 0.6


class GpenMmrbRestorer(Restoration):
    """As GPEN, of the size that the file tells."""

    def _load(self, context: RestorerContext) -> Gpen:
        network = load_gpen_mmrb(Path(context.argument or ""))
        self.takes_small = network.shape.entry < network.shape.size
        return network
