"""From a restorer to an ONNX file that gives the same pictures: traced, compared in onnxruntime, then landed."""

from __future__ import annotations

import logging
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from bfrbench import atomic
from bfrbench.errors import RestorerError, UsageError
from bfrbench.restorers.loading import LoadedRestorer

if TYPE_CHECKING:
    from torch import Tensor, nn

TOLERANCES = {"float32": 1e-4, "float16": 2e-2, "bfloat16": 5e-2}
"""Largest difference to torch that an exported file may have, of the range [0, 1]."""


@runtime_checkable
class Exportable(Protocol):
    """A restorer that can leave torch: one module from [0, 1] to [0, 1], and the side of the pictures it takes."""

    def portable(self) -> tuple[nn.Module, int]: ...


def export_onnx(
    loaded: LoadedRestorer, path: Path, *, opset: int, dynamic_batch: bool, seed: int = 0
) -> dict[str, Any]:
    """Write `path` and its sidecar `path.toml`, or raise and leave nothing."""
    import torch

    if not isinstance(loaded.restorer, Exportable):
        raise UsageError(f"{loaded.ref} cannot be exported: it has no portable()", "see docs/gpen.md for one that has")
    module, size = loaded.restorer.portable()
    counts = (1, 3) if dynamic_batch else (1,)
    generator = torch.Generator().manual_seed(seed)
    images = torch.rand(max(counts), 3, size, size, generator=generator)
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic.landing(path) as part:
        with torch.inference_mode(False), torch.no_grad():
            _trace(module, images[:2] if dynamic_batch else images[:1], part, opset, dynamic_batch, loaded.ref)
            gap = max(_difference(module, images[:count], part, loaded.ref) for count in counts)
        allowed = TOLERANCES[loaded.context.precision]
        if not gap <= allowed:
            problem = f"the ONNX file of {loaded.ref} differs from torch by {gap:.2g}, and {allowed:.2g} is allowed"
            raise RestorerError(problem, "nothing was written: try another opset, or export in float32")
        megabytes = part.stat().st_size / 1e6
    atomic.write_text(path.with_name(path.name + ".toml"), f'range = "0..1"\nchannels = "rgb"\nsize = {size}\n')
    return {
        "path": str(path),
        "size": size,
        "opset": opset,
        "megabytes": megabytes,
        "batches": list(counts),
        "largest_difference": gap,
    }


def _trace(module: nn.Module, images: Tensor, part: Path, opset: int, dynamic_batch: bool, ref: str) -> None:
    import torch

    batch = torch.export.Dim("batch", min=1)
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the exporter about itself
        try:
            torch.onnx.export(
                module.eval(),
                (images,),
                str(part),
                dynamo=True,
                opset_version=opset,
                input_names=["image"],
                output_names=["restored"],
                dynamic_shapes=({0: batch},) if dynamic_batch else None,
                external_data=False,
                verbose=False,
            )
        except Exception as error:
            reason = " ".join(str(error).split())[:300]
            problem = f"{ref} could not be traced to ONNX opset {opset} ({type(error).__name__}: {reason})"
            raise RestorerError(problem, "try another --opset") from error


def _difference(module: nn.Module, images: Tensor, part: Path, ref: str) -> float:
    """The largest difference between torch and onnxruntime."""
    import onnxruntime
    import torch

    try:
        session = onnxruntime.InferenceSession(str(part), providers=["CPUExecutionProvider"])
        answer = session.run(None, {session.get_inputs()[0].name: images.numpy()})[0]
    except Exception as error:
        problem = f"onnxruntime does not run the ONNX file of {ref} ({' '.join(str(error).split())[:300]})"
        raise RestorerError(problem, "try another --opset") from error
    return float((torch.from_numpy(answer).float() - module(images).float()).abs().max())
