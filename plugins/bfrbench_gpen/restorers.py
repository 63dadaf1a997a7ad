"""GPEN as restorers: weights by path or from the store, pictures to the network's conventions and back."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn

from bfrbench.contracts import Batch
from bfrbench.errors import UsageError, WeightsError
from bfrbench.imaging.resize import resize_batch
from bfrbench.nn import frozen
from bfrbench.restorers import RestorerContext
from bfrbench.restorers.alpha import Alpha
from bfrbench.weights import WeightStore
from bfrbench_gpen import tasks
from bfrbench_gpen.checkpoints import read_checkpoint
from bfrbench_gpen.network import Gpen


class Restoration:
    """Degraded faces in, restored faces out. Subclasses change what the network is shown and what is made of its
    answer."""

    centred = True
    """Whether the network works in [-1, 1]; else in [0, 1]."""
    takes_small = False
    """Whether the network is of the super-resolution form, whose input is smaller than its output."""
    usual_alpha = 1.0

    def __init__(self, context: RestorerContext) -> None:
        network = self._load(context)
        self.shape = network.shape
        self.alpha = Alpha(context, self.usual_alpha)
        self.device, self.dtype = torch.device(context.device), getattr(torch, context.precision)
        self.module: Gpen = frozen(network, self.dtype).to(self.device)
        compiled = str(context.options.get("compile", "false")).lower() in ("true", "1", "yes")
        self._run: Callable[..., Tensor] = torch.compile(self.module) if compiled else self.module

    def restore(self, batch: Batch) -> Tensor:
        images = batch.lq.to(self.device)
        entry = resize_batch(self.prepare(images), (self.shape.entry, self.shape.entry)).clamp(0, 1)
        noise = self.module.finer_noise(batch.seeds) if self.shape.entry < self.shape.size else None
        restored = self.forward(entry, noise, self._run)
        restored = resize_batch(restored, (images.shape[-2], images.shape[-1])).clamp(0, 1)
        return self.alpha.mixed(self.finish(restored, images), images, batch.point).to(batch.lq.device)

    def prepare(self, images: Tensor) -> Tensor:
        return images

    def finish(self, restored: Tensor, images: Tensor) -> Tensor:
        return restored

    def forward(self, images: Tensor, noise: list[Tensor] | None, run: Callable[..., Tensor]) -> Tensor:
        """[0, 1] at the network's input size to [0, 1] at its output size."""
        shown = (images * 2 - 1 if self.centred else images).to(self.dtype)
        with torch.no_grad():
            out: Tensor = run(shown, noise)
        return (out / 2 + 0.5 if self.centred else out).clamp(0, 1)

    def portable(self) -> tuple[nn.Module, int]:
        """For export: one module from [0, 1] to [0, 1], and the side of the pictures it takes."""
        return Portable(self), self.shape.entry

    def _load(self, context: RestorerContext) -> Gpen:
        spec = context.spec
        path = Path(context.argument) if context.argument else WeightStore().path(spec.weights[0])
        if not path.is_file():
            raise WeightsError(f"there is no file {path}", "check the path")
        checkpoint = read_checkpoint(path)
        shape = checkpoint.shape
        if spec.size is not None and (shape.size, shape.entry) != (spec.size, spec.size):
            other = "gpen-sr" if shape.in_size else "gpen"
            problem = f"{path} is a {shape}, and {spec.id} works at {spec.size}"
            raise WeightsError(problem, f"use {other}:{path}, which reads the size off the file")
        if (shape.entry < shape.size) != self.takes_small:
            problem = f"{path} is a {shape}, which {spec.id} does not run"
            raise WeightsError(problem, f"use {'gpen' if self.takes_small else 'gpen-sr'}:{path}")
        return checkpoint.network()


class Lite(Restoration):
    """The small model in the package, at the alpha at which its PSNR on training people is best."""

    usual_alpha = 0.7


class Colorization(Restoration):
    """Grey faces in, coloured faces out; at another size than the network's, brightness stays that of the input."""

    def prepare(self, images: Tensor) -> Tensor:
        return tasks.grey(images)

    def finish(self, restored: Tensor, images: Tensor) -> Tensor:
        if images.shape[-1] == self.shape.size and images.shape[-2] == self.shape.size:
            return restored
        return tasks.with_luma_of(restored, images).clamp(0, 1)


class Inpainting(Restoration):
    """Faces with white strokes in, whole faces out."""


class SegmentationToFace(Restoration):
    """Painted label maps in, faces out; the published network works in [0, 1]."""

    centred = False


class SuperResolution(Restoration):
    """Small faces in, large ones out; layers finer than the input get noise that hangs on each image's seed."""

    takes_small = True


class Portable(nn.Module):
    """A restorer's network with its conventions around it; the super-resolution form keeps the noise of seed 0."""

    def __init__(self, restorer: Restoration) -> None:
        super().__init__()
        self.module = restorer.module
        self._prepare, self._forward, self._mixed = restorer.prepare, restorer.forward, restorer.alpha.mixed
        if restorer.takes_small and restorer.alpha.share != 1:
            raise UsageError("the super-resolution form is exported without its input", "export it with alpha=1")
        noise = restorer.module.finer_noise([0]) if restorer.takes_small else []
        for layer, values in enumerate(noise):
            self.register_buffer(f"noise_{layer}", values)
        self._layers = len(noise)

    def forward(self, images: Tensor) -> Tensor:
        noise = [getattr(self, f"noise_{layer}") for layer in range(self._layers)] or None
        return self._mixed(self._forward(self._prepare(images), noise, self.module), images)
