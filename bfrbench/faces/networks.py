"""How the face networks are opened: from a verified file, on a device that was asked for, or not at all.

ONNX files of recognition and landmarks run through onnxruntime on the CPU and through torch (`onnx_graph`) on any other
device. That is the rule for every file and every machine, whatever onnxruntime is installed; nothing falls back. SCRFD
runs through onnxruntime on every device. YuNet, OpenCV's, knows the CPU only (`detect.detector_device`).
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from bfrbench.devices import refuse_unusable
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

    refuse_unusable(device)
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


def onnx_session(path: Path, device: str) -> Any:
    """A session for an ONNX file: onnxruntime's own on the CPU, torch's in its form on any other device."""
    if not _on_cpu(device):
        from bfrbench.faces.onnx_graph import TorchSession

        return TorchSession(path, device)
    import onnxruntime

    try:
        return onnxruntime.InferenceSession(str(path), session_options(), providers=providers(device))
    except Exception as error:  # onnxruntime's exceptions have no name in common
        raise WeightsError(f"{path} is not an ONNX network ({error})", "give the file that the card names") from error


def arcface_model(path: Path, device: str) -> Any:
    """insightface's ArcFaceONNX over a session for the device: its `get_feat` prepares the pixels on all of them."""
    return insightface_model(path, "ArcFaceONNX", device) if _on_cpu(device) else arcface_in_torch(path, device)


def arcface_in_torch(path: Path, device: str) -> Any:
    """insightface's ArcFaceONNX with torch for onnxruntime, on any device of torch's, the CPU too."""
    from insightface.model_zoo.arcface_onnx import ArcFaceONNX

    from bfrbench.faces.onnx_graph import TorchSession

    session = TorchSession(path, device)
    sides, outputs = session.get_inputs()[0].shape[1:], len(session.get_outputs())
    if sides != [3, 112, 112] or outputs != 1:
        problem = f"{path} takes {sides} and has {outputs} outputs, not [3, 112, 112] and one"
        raise WeightsError(problem, "give the file that the card names")
    return ArcFaceONNX(model_file=str(path), session=session)


def _on_cpu(device: str) -> bool:
    return device.partition(":")[0] == "cpu"


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
