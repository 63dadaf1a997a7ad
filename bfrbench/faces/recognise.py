"""Recognition engines: a face crop in, an embedding of length one out. What is compared with what is for metrics."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from bfrbench.errors import InputError, UnknownName, WeightsError
from bfrbench.faces.align import ARCFACE_112, similarity, warp
from bfrbench.faces.networks import arcface_model, fill, store_or_default

if TYPE_CHECKING:
    from bfrbench.contracts import Feature, Points, U8Image
    from bfrbench.weights import WeightStore

CROP = 112
_CHUNK = 64


class Recogniser(Protocol):
    """Turns faces into embeddings whose dot product is the cosine similarity."""

    name: str

    def crop(self, image: U8Image, points: Points) -> U8Image: ...
    def embed(self, crops: Sequence[U8Image]) -> Feature: ...


class ArcFaceCrop:
    """The ArcFace convention of alignment, shared by every engine."""

    name: str

    def crop(self, image: U8Image, points: Points) -> U8Image:
        """The 112-pixel crop that ArcFace networks were trained on, as insightface's `norm_crop` cuts it."""
        return warp(image, similarity(points, ARCFACE_112), (CROP, CROP))

    def embed(self, crops: Sequence[U8Image]) -> Feature:
        """N×D float32, each row of length one. A crop of another size is an error: the libraries would resize it."""
        for crop in crops:
            if crop.shape != (CROP, CROP, 3) or crop.dtype != np.uint8:
                problem = f"{self.name} was given {crop.dtype} {crop.shape}"
                raise InputError(problem, f"cut faces with crop(): uint8 {CROP}×{CROP}×3")
        rows = [self._raw(crops[i : i + _CHUNK]) for i in range(0, len(crops), _CHUNK)]
        raw = np.concatenate(rows) if rows else np.empty((0, 0), np.float32)
        unit: Feature = (raw / np.maximum(np.linalg.norm(raw, axis=1, keepdims=True), 1e-12)).astype(np.float32)
        return unit

    def _raw(self, crops: Sequence[U8Image]) -> Feature:
        raise AssertionError("every engine has its own")


class InsightFace(ArcFaceCrop):
    """Any ArcFace-convention ONNX file, prepared by insightface, batched where the file allows it.

    The network runs through onnxruntime on the CPU, which is the reference, and through torch on any other device
    (`onnx_graph`, in float32). There it takes batches even where the file declares a batch of one.
    """

    def __init__(self, name: str, path: Path, device: str = "cpu") -> None:
        self.name = name
        self._model: Any = arcface_model(path, device)
        self._batch = _CHUNK if self._batches() else 1

    def _raw(self, crops: Sequence[U8Image]) -> Feature:
        parts = [self._run(crops[i : i + self._batch]) for i in range(0, len(crops), self._batch)]
        return np.concatenate(parts)

    def _run(self, crops: Sequence[U8Image]) -> Feature:
        out: Feature = self._model.get_feat([np.ascontiguousarray(crop[..., ::-1]) for crop in crops])
        return out.reshape(len(crops), -1)  # some published files flatten a batch into one row

    def _batches(self) -> bool:
        """Whether the file really takes a batch: what it declares is not always so."""
        if isinstance(self._model.input_shape[0], int):
            return False
        noise = list(np.random.default_rng(0).integers(0, 256, (2, CROP, CROP, 3), np.uint8))
        apart = np.concatenate([self._run(noise[:1]), self._run(noise[1:])])
        try:
            together = self._run(noise)
        except WeightsError:  # torch's way of saying that the shapes do not fit
            return False
        return together.shape == apart.shape and bool(np.allclose(together, apart, rtol=1e-3, atol=1e-3))


class IrSe50(ArcFaceCrop):
    """facexlib's IR-SE50, RGB in [-1, 1]; its own loader needs CUDA, its network does not."""

    def __init__(self, name: str, path: Path, device: str = "cpu") -> None:
        from facexlib.recognition.arcface_arch import Backbone

        self.name, self.device = name, device
        self._network: Any = fill(Backbone(num_layers=50, drop_ratio=0.6, mode="ir_se"), path, device=device)

    def _raw(self, crops: Sequence[U8Image]) -> Feature:
        import torch

        pixels = torch.from_numpy(np.stack(crops)).to(self.device).permute(0, 3, 1, 2).contiguous().float()
        with torch.inference_mode():
            embedding: Feature = self._network(pixels.sub(127.5).div(127.5)).float().cpu().numpy()
        return embedding


RECOGNISERS: dict[str, type[InsightFace] | type[IrSe50]] = {
    "arcface-w600k-r50": InsightFace,
    "arcface-glint360k-r100": InsightFace,
    "mobilefacenet-arcface": InsightFace,
    "arcface-ir-se50": IrSe50,
}
"""Every engine; its name is that of its weight card too."""


def load_recogniser(name: str, store: WeightStore | None = None, device: str = "cpu") -> Recogniser:
    """An engine ready to embed."""
    if name not in RECOGNISERS:
        raise UnknownName("recognition engine", name, RECOGNISERS)
    return RECOGNISERS[name](name, store_or_default(store).path(name), device)
