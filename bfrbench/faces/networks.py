"""How the face networks are opened: from a verified file, on a device that was asked for, or not at all."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from bfrbench.errors import UsageError, WeightsError

if TYPE_CHECKING:
    from torch import nn

    from bfrbench.weights import WeightStore


def store_or_default(store: WeightStore | None) -> WeightStore:
    from bfrbench.weights import WeightStore

    return store or WeightStore()


def fill(network: nn.Module, path: Path, *, key: str | None = None, device: str) -> nn.Module:
    """Load every tensor of a file into a network, ready for inference."""
    from bfrbench.weights import load_state_dict

    tensors = {name.removeprefix("module."): value for name, value in load_state_dict(path, key=key).items()}
    try:
        network.load_state_dict(tensors, strict=True)
    except RuntimeError as error:
        reason = " ".join(str(error).split())[:300]
        problem = f"{path} is not a {type(network).__name__} ({reason})"
        raise WeightsError(problem, "give the file that the card names") from error
    return network.to(device).eval().requires_grad_(False)


def providers(device: str) -> list[Any]:
    """onnxruntime's name for a device; it would otherwise quietly compute on the CPU."""
    import onnxruntime

    kind, _, index = device.partition(":")
    if kind == "cpu":
        return ["CPUExecutionProvider"]
    if kind != "cuda":
        raise UsageError(f"ONNX networks do not run on {device!r}", "choose cpu or cuda")
    if "CUDAExecutionProvider" not in onnxruntime.get_available_providers():
        raise UsageError("this onnxruntime has no CUDA", "install onnxruntime-gpu or choose device cpu")
    return [("CUDAExecutionProvider", {"device_id": int(index or 0)})]


def session_options() -> Any:
    """Errors only: a dynamic batch makes some published files warn at every call."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    return options


def insightface_model(path: Path, kind: str, device: str) -> Any:
    """An insightface model from a local file; `kind` is the class it must turn out to be."""
    from insightface.model_zoo import get_model

    try:
        model = get_model(str(path), providers=providers(device), sess_options=session_options())
    except UsageError:
        raise
    except Exception as error:  # onnxruntime, onnx and insightface each have exceptions of their own
        raise WeightsError(f"{path} is not an ONNX network ({error})", "give the file that the card names") from error
    if type(model).__name__ != kind:
        problem = f"insightface takes {path} for {type(model).__name__}, not {kind}"
        raise WeightsError(problem, "give the file that the card names")
    return model
