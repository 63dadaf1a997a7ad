"""`bfrbench export`: a restorer as an ONNX file that runs without torch, checked before it lands."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import cyclopts

from bfrbench.cli.output import Json, print_json
from bfrbench.errors import UsageError


def export(
    restorer: str,
    /,
    *,
    onnx: Path,
    opset: int = 20,
    dynamic_batch: bool = False,
    fp16: bool = False,
    seed: int = 0,
    force: bool = False,
    option: Annotated[list[str] | None, cyclopts.Parameter(name=["--option", "-o"])] = None,
    json: Json = False,
) -> None:
    """Export a restorer's network to ONNX and compare it with torch in onnxruntime.

    The file takes and gives RGB in [0, 1], N×3×H×W in float32; a sidecar FILE.toml says so, so that
    `onnx:FILE` restores with it as it is.

    Parameters
    ----------
    restorer
        A reference, for example gpen-512 or gpen-512:weights.safetensors.
    onnx
        The file to write.
    opset
        ONNX operator set.
    dynamic_batch
        Leave the batch size open; else it is one image.
    fp16
        Convolutions in float16.
    seed
        Of the pictures that both are compared on.
    force
        Overwrite.
    option
        KEY=VALUE for the restorer.
    """
    if onnx.suffix != ".onnx":
        raise UsageError(f"{onnx} does not end in .onnx", "choose a name that does")
    if onnx.exists() and not force:
        raise UsageError(f"{onnx} is already there", "choose another name or say --force")
    from bfrbench.restorers import load_restorer
    from bfrbench.restorers.exporting import export_onnx
    from bfrbench.restorers.options import parse_options

    options: dict[str, Any] = parse_options(option or ())
    loaded = load_restorer(restorer, precision="float16" if fp16 else "float32", **options)
    report = export_onnx(loaded, onnx, opset=opset, dynamic_batch=dynamic_batch, seed=seed)
    if json:
        print_json(report)
        return
    print(f"{onnx}: {report['size']} px, opset {opset}, {report['megabytes']:.1f} MB")
    batches = " and ".join(str(count) for count in report["batches"])
    print(f"differs from torch by at most {report['largest_difference']:.1e} of the range, on batches of {batches}")
    print(f"use it as onnx:{onnx}")
