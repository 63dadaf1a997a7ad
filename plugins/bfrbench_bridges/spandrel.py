"""`spandrel:FILE`: checkpoints of any architecture that the spandrel library knows."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from bfrbench.contracts import Batch
from bfrbench.errors import RestorerError, UsageError, WeightsError
from bfrbench.restorers import RestorerContext

if TYPE_CHECKING:
    from spandrel import ImageModelDescriptor
    from torch import Tensor, nn

FACE_SIZE = 512


class Spandrel:
    """One image at a time, as spandrel promises it; random parts of a network are seeded by the image's seed."""

    def __init__(self, context: RestorerContext) -> None:
        import torch

        path = Path(context.argument or "")
        self.device = torch.device(context.device)
        self.dtype = getattr(torch, context.precision)
        self.model = _load(path).to(self.device).to(self.dtype).eval()
        if self.model.input_channels != 3 or self.model.output_channels != 3:
            problem = f"{path} maps {self.model.input_channels} channels to {self.model.output_channels}"
            raise UsageError(problem, "give a network from RGB to RGB")
        self.size = _working_size(self.model, context.options.get("size"))

    @property
    def module(self) -> nn.Module:
        module: nn.Module = self.model.model
        return module

    def restore(self, batch: Batch) -> Tensor:
        import torch

        return torch.cat([self._one(lq[None], seed) for lq, seed in zip(batch.lq, batch.seeds, strict=True)])

    def _one(self, lq: Tensor, seed: int) -> Tensor:
        import torch

        from bfrbench.imaging.resize import resize_batch

        size = (lq.shape[-2], lq.shape[-1])
        inner = resize_batch(lq, (self.size, self.size)).clamp(0, 1) if self.size else lq
        devices = [self.device] if self.device.type == "cuda" else []
        with torch.random.fork_rng(devices=devices):
            torch.manual_seed(seed)
            try:
                out = self._forward(inner.to(self.device, self.dtype)).float()
            except (RuntimeError, AssertionError) as error:
                problem = f"{self.model.architecture.name} failed on {inner.shape[-1]}×{inner.shape[-2]} px ({error})"
                raise RestorerError(problem, "give the size it works at with the option size") from error
        return resize_batch(out, size).clamp(0, 1).to(lq.device)

    def _forward(self, image: Tensor) -> Tensor:
        if self.model.architecture.id == "GFPGAN":
            # GFPGAN was trained on [-1, 1], and spandrel 0.4 hands it [0, 1] (RestoreFormer it treats right).
            out: Tensor = self.model.model(image * 2 - 1)[0] / 2 + 0.5
            return out
        answer: Tensor = self.model(image)
        return answer


def _load(path: Path) -> ImageModelDescriptor[nn.Module]:
    import spandrel

    from bfrbench.weights.reading import read_safetensors, read_torch

    tree = read_safetensors(path) if path.suffix == ".safetensors" else read_torch(path)
    if not isinstance(tree, dict):
        raise WeightsError(f"{path} holds a {type(tree).__name__}", "give a file of named tensors")
    try:
        model = spandrel.ModelLoader().load_from_state_dict(spandrel.canonicalize_state_dict(tree))
    except spandrel.UnsupportedModelError as error:
        raise WeightsError(f"{path} is of no architecture that spandrel knows", "see spandrel's list") from error
    except (KeyError, RuntimeError) as error:
        first = str(error).splitlines()[0]
        raise WeightsError(f"{path} does not fit the architecture it looks like ({first})", "check the file") from error
    if not isinstance(model, spandrel.ImageModelDescriptor):
        raise UsageError(f"{path} is a {type(model).__name__}", "give a network from image to image")
    return model


def _working_size(model: ImageModelDescriptor[nn.Module], chosen: object) -> int | None:
    """Every face network that spandrel knows was trained at 512 px; others take what they get."""
    if chosen is not None:
        return int(str(chosen))
    return FACE_SIZE if model.purpose == "FaceSR" else None
