"""From a reference such as `gpen-512:weights.safetensors` to an object that restores images."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from bfrbench.contracts import Batch, Ref, Restorer
from bfrbench.devices import refuse_unusable
from bfrbench.errors import BadShape, BfrbenchError, PluginError, UnknownName, UsageError
from bfrbench.plugins import PluginHost
from bfrbench.precision import exact_float32
from bfrbench.specs import Precision, RestorerSpec

if TYPE_CHECKING:
    from torch import Tensor

    from bfrbench.contracts import U8Image


@dataclass(frozen=True)
class RestorerContext:
    """What a restorer is made from: its own spec, the reference's argument, and where and how to compute."""

    spec: RestorerSpec
    argument: str | None = None
    device: str = "cpu"
    precision: Precision = "float32"
    options: Mapping[str, Any] = field(default_factory=dict)


class LoadedRestorer:
    """A restorer with its spec: the door through which everything in bfrbench restores.

    >>> import numpy as np, bfrbench
    >>> restorer = bfrbench.load_restorer("input")
    >>> restorer(np.zeros((64, 64, 3), np.uint8)).shape
    (64, 64, 3)
    """

    def __init__(self, ref: Ref, plugin: str, context: RestorerContext, restorer: Restorer) -> None:
        self.ref, self.plugin, self.context, self.restorer = ref, plugin, context, restorer

    @property
    def spec(self) -> RestorerSpec:
        return self.context.spec

    def restore(self, batch: Batch) -> Tensor:
        """Restore a batch at its own size: resized to the restorer's size on the way in, and back on the way out."""
        import torch

        from bfrbench.imaging.resize import resize_batch

        if batch.gt is not None and not self.spec.sees_ground_truth:
            raise UsageError(f"{self.ref} was given the ground truth", "this is a fault of the caller: leave gt out")
        height, width = batch.lq.shape[-2:]
        inner = batch
        if self.spec.size is not None and (height, width) != (self.spec.size, self.spec.size):
            size = (self.spec.size, self.spec.size)
            inner = Batch(batch.ids, resize_batch(batch.lq, size), batch.seeds, batch.sample, batch.point)
        exact = exact_float32() if self.context.precision == "float32" else nullcontext()
        with torch.inference_mode(), exact:
            out = self.restorer.restore(inner)
        self._check(out, inner)
        return resize_batch(out, (height, width)) if out.shape[-2:] != (height, width) else out

    def __call__(self, image: U8Image, *, seed: int = 0) -> U8Image:
        """Restore one image: uint8, RGB, H×W×3."""
        from bfrbench.imaging.convert import from_tensor, to_tensor

        kind, shape = getattr(image, "dtype", None), tuple(getattr(image, "shape", ()))
        if str(kind) != "uint8" or len(shape) != 3 or shape[2] != 3:
            given = f"{type(image).__name__} of {kind} and shape {shape}" if kind is not None else type(image).__name__
            raise UsageError(f"{self.ref} was given a {given}", "give a NumPy array: uint8, RGB, height × width × 3")
        lq = to_tensor(image).unsqueeze(0).to(self.context.device)
        return from_tensor(self.restore(Batch(("image",), lq, (seed,)))[0])

    def _check(self, out: Any, batch: Batch) -> None:
        import torch

        if not isinstance(out, torch.Tensor):
            raise BadShape(f"{self.ref} returned {type(out).__name__}, not a tensor", "return float32 N×3×H×W")
        if out.shape != batch.lq.shape:
            problem = f"{self.ref} returned shape {tuple(out.shape)} for {tuple(batch.lq.shape)}"
            raise BadShape(problem, "return one restored image of the same size for each image of the batch")
        if not out.is_floating_point():
            raise BadShape(f"{self.ref} returned {out.dtype}", "return float32 in [0, 1]")


def split_ref(ref: Ref) -> tuple[str, str | None]:
    """`gpen-512:a/b.safetensors` is the id `gpen-512` and the argument `a/b.safetensors`."""
    name, colon, argument = ref.partition(":")
    return name, argument if colon else None


def load_restorer(
    ref: Ref,
    *,
    weights: str | None = None,
    device: str = "cpu",
    precision: Precision = "float32",
    host: PluginHost | None = None,
    **options: Any,
) -> LoadedRestorer:
    """Make a restorer ready to restore. `weights` is another spelling of the reference's argument."""
    name, argument = split_ref(ref)
    if weights is not None:
        if argument is not None:
            raise UsageError(f"{ref!r} already names its weights and weights={weights!r} too", "give one of them")
        argument = str(weights)
    owned = (host or PluginHost()).restorer(name)
    refuse_unusable(device)
    context = RestorerContext(owned.spec, argument, device, precision, options)
    _check_use(ref, context)
    return LoadedRestorer(ref, owned.plugin, context, _make(owned.plugin, context))


def _check_use(ref: Ref, context: RestorerContext) -> None:
    spec = context.spec
    if spec.argument == "none" and context.argument is not None:
        raise UsageError(f"{spec.id!r} takes no argument, and {ref!r} gives one", f"write just {spec.id!r}")
    if spec.argument == "required" and not context.argument:
        raise UsageError(f"{spec.id!r} needs {spec.argument_help}", f"write {spec.id}:ARGUMENT")
    for option in context.options:
        if option not in spec.options:
            raise UnknownName(f"option of {spec.id}", option, spec.options)
    if context.precision not in spec.precisions:
        allowed = " or ".join(spec.precisions)
        raise UsageError(f"{spec.id!r} does not run in {context.precision}", f"choose {allowed}")


def _make(plugin: str, context: RestorerContext) -> Restorer:
    module, _, attribute = context.spec.target.partition(":")
    try:
        restorer = getattr(importlib.import_module(module), attribute)(context)
    except BfrbenchError:
        raise
    except Exception as error:
        problem = f"restorer {context.spec.id!r} of plugin {plugin!r} cannot be made ({type(error).__name__}: {error})"
        raise PluginError(problem, f"see {context.spec.target} in that plugin") from error
    if not isinstance(restorer, Restorer):
        problem = f"{context.spec.target} of plugin {plugin!r} has no restore(batch)"
        raise PluginError(problem, "see docs/plugins.md for what a restorer is")
    return restorer
