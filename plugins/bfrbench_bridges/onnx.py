"""`onnx:FILE`: a network as an ONNX file, with its value range and channel order from FILE.toml or options."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from bfrbench.config import Frozen, load, parse
from bfrbench.contracts import Batch
from bfrbench.errors import InputError, RestorerError, UsageError
from bfrbench.restorers import RestorerContext

if TYPE_CHECKING:
    import numpy.typing as npt
    import onnxruntime
    from torch import Tensor

_RANGES = {"0..1": (0.0, 1.0), "-1..1": (-1.0, 1.0), "0..255": (0.0, 255.0)}


class Conventions(Frozen):
    """What an ONNX file does not say of itself: the sidecar FILE.toml, for example `out.onnx.toml`."""

    range: Literal["0..1", "-1..1", "0..255"]
    channels: Literal["rgb", "bgr"] = "rgb"
    size: int | None = None


class Onnx:
    """Runs the session in batches where the file allows it, else image by image."""

    def __init__(self, context: RestorerContext) -> None:
        self.path = Path(context.argument or "")
        self.conventions = _conventions(self.path, dict(context.options))
        self.session = _session(self.path, context.device)
        batch, channels, height, width = _input_shape(self.session, self.path)
        if channels not in (3, None):
            raise UsageError(f"{self.path} takes {channels} channels", "give a network from RGB to RGB")
        self.batch = batch
        self.size = _size(self.path, height, width, self.conventions.size)

    def restore(self, batch: Batch) -> Tensor:
        import torch

        from bfrbench.imaging.resize import resize_batch

        size = (batch.lq.shape[-2], batch.lq.shape[-1])
        inner = resize_batch(batch.lq, (self.size, self.size)).clamp(0, 1) if self.size else batch.lq
        low, high = _RANGES[self.conventions.range]
        out = (self._forward(self._turn(inner * (high - low) + low)) - low) / (high - low)
        return resize_batch(self._turn(out), size).clamp(0, 1).to(batch.lq.device, torch.float32)

    def _turn(self, images: Tensor) -> Tensor:
        return images.flip(1) if self.conventions.channels == "bgr" else images

    def _forward(self, images: Tensor) -> Tensor:
        import numpy as np
        import torch

        source = self.session.get_inputs()[0]
        dtype = np.float16 if source.type == "tensor(float16)" else np.float32
        array = images.cpu().numpy().astype(dtype)
        step = self.batch or len(array)
        parts = [self._run(source.name, array[i : i + step], step) for i in range(0, len(array), step)]
        out = torch.from_numpy(np.concatenate(parts)).float()
        if out.ndim != 4 or out.shape[:2] != images.shape[:2]:
            problem = f"{self.path} returned shape {tuple(out.shape)} for {tuple(images.shape)}"
            raise RestorerError(problem, "its first output must be N×3×H×W images")
        return out

    def _run(self, name: str, part: npt.NDArray[Any], step: int) -> npt.NDArray[Any]:
        """A fixed batch is filled up with copies of its last image, whose answers are dropped."""
        import numpy as np

        missing = step - len(part)
        filled = np.concatenate([part, np.repeat(part[-1:], missing, axis=0)]) if missing else part
        out: npt.NDArray[Any] = self.session.run(None, {name: filled})[0]
        return out[: len(part)]


def _conventions(path: Path, options: dict[str, Any]) -> Conventions:
    if not path.is_file():
        raise InputError(f"there is no file {path}", "check the path")
    sidecar = path.with_name(path.name + ".toml")
    stated = load(sidecar, Conventions).model_dump() if sidecar.is_file() else {}
    merged = {**stated, **options}
    if "range" not in merged:
        problem = f"the value range of {path} is not known"
        raise UsageError(problem, f'say range="0..1", "-1..1" or "0..255" as an option or in {sidecar.name}')
    return parse(merged, Conventions, where=f"the conventions of {path}")


def _session(path: Path, device: str) -> onnxruntime.InferenceSession:
    import onnxruntime

    wanted = "CUDAExecutionProvider" if device.startswith("cuda") else "CPUExecutionProvider"
    if wanted not in onnxruntime.get_available_providers():
        raise UsageError(f"this onnxruntime has no {wanted}", "install onnxruntime-gpu or take --device cpu")
    try:
        return onnxruntime.InferenceSession(str(path), providers=[wanted])
    except Exception as error:
        raise InputError(f"{path} is not an ONNX file that onnxruntime opens ({error})", "check the file") from error


def _input_shape(session: onnxruntime.InferenceSession, path: Path) -> tuple[int | None, ...]:
    inputs = session.get_inputs()
    if len(inputs) != 1 or len(inputs[0].shape) != 4:
        raise UsageError(f"{path} takes {len(inputs)} inputs", "give a network with one input, N×3×H×W")
    return tuple(side if isinstance(side, int) else None for side in inputs[0].shape)


def _size(path: Path, height: int | None, width: int | None, chosen: int | None) -> int | None:
    if height != width:
        raise UsageError(f"{path} takes {width}×{height} px", "give a network for square faces")
    if chosen and height and chosen != height:
        raise UsageError(f"{path} takes {height} px and size says {chosen}", "leave size out")
    return height or chosen
