"""Dense landmarks: facexlib's AWing (98 points) and PFLD (68), each with the input its weights were trained on.

Whether two sets of landmarks are near is for metrics.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from bfrbench.contracts import Box
from bfrbench.errors import UnknownName
from bfrbench.faces.align import apply as move
from bfrbench.faces.align import inverse, warp
from bfrbench.faces.networks import fill, onnx_session, store_or_default

if TYPE_CHECKING:
    import numpy.typing as npt

    from bfrbench.contracts import Points, U8Image
    from bfrbench.faces.align import Matrix
    from bfrbench.weights import WeightStore

_CHUNK = 16


class Landmarker(Protocol):
    """Finds K points of the one face of each image."""

    name: str
    count: int

    def __call__(self, images: Sequence[U8Image], boxes: Sequence[Box] | None = None) -> list[Points]: ...


class _Windowed:
    """What both engines share: cut a window of each image, run a batch, carry the points back."""

    name: str
    side: int

    def __call__(self, images: Sequence[U8Image], boxes: Sequence[Box] | None = None) -> list[Points]:
        """Points in pixels of each image. Without boxes each image is one face aligned to the FFHQ template."""
        found: list[Points] = []
        for start in range(0, len(images), _CHUNK):
            part = images[start : start + _CHUNK]
            windows = [
                self._window(image, boxes[start + i] if boxes is not None else None) for i, image in enumerate(part)
            ]
            crops = [
                warp(image, window, (self.side, self.side), border="mirror", shrink=True)
                for image, window in zip(part, windows, strict=True)
            ]
            shares = self._run(np.stack(crops))
            found += [move(inverse(w), s * self.side - 0.5) for w, s in zip(windows, shares, strict=True)]
        return found

    def _window(self, image: U8Image, box: Box | None) -> Matrix:
        raise AssertionError("every engine has its own")

    def _run(self, crops: U8Image) -> npt.NDArray[np.float32]:
        """N crops to N×K×2 shares of the crop's side, measured from its edge."""
        raise AssertionError("every engine has its own")


class AWing(_Windowed):
    """facexlib's four-stage FAN, 98 points of WFLW.

    It sees the whole aligned image, as the published landmark distances do. Points are read off the heat maps
    here: a quarter pixel towards the higher neighbour, and none where the border leaves only one.
    """

    count, side = 98, 256

    def __init__(self, name: str, path: Path, device: str = "cpu") -> None:
        from facexlib.alignment.awing_arch import FAN

        self.name, self.device = name, device
        network = FAN(num_modules=4, num_landmarks=98, device=device)
        self._network: Any = fill(network, path, key="state_dict", device=device)

    def _window(self, image: U8Image, box: Box | None) -> Matrix:
        if box is None:
            height, width = image.shape[:2]
            return _onto((0, 0, width, height), self.side)
        return _onto(_square(box, 1.5), self.side)

    def _run(self, crops: U8Image) -> npt.NDArray[np.float32]:
        import torch

        pixels = torch.from_numpy(crops).to(self.device).permute(0, 3, 1, 2).float().div(255)
        with torch.inference_mode():
            maps = self._network(pixels)[0][-1][:, :-1].float().cpu().numpy()
        return peaks(maps)


def peaks(maps: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """The places of the maxima of N×K×H×W heat maps, as shares of width and height."""
    count, points, height, width = maps.shape
    flat = maps.reshape(count * points, height, width)
    best = flat.reshape(count * points, -1).argmax(axis=1)
    y, x = best // width, best % width
    row = np.arange(count * points)
    edged = np.pad(flat, ((0, 0), (1, 1), (1, 1)), mode="reflect")
    dx = np.sign(edged[row, y + 1, x + 2] - edged[row, y + 1, x])
    dy = np.sign(edged[row, y + 2, x + 1] - edged[row, y, x + 1])
    at = np.stack([(x + 0.25 * dx + 0.5) / width, (y + 0.25 * dy + 0.5) / height], axis=1)
    return at.reshape(count, points, 2).astype(np.float32)


class Pfld(_Windowed):
    """PFLD's 68 points from an ONNX file: RGB in [0, 1], a square a little wider than the face's box.

    It runs through onnxruntime on the CPU, which is the reference, and through torch on any other device (`onnx_graph`,
    in float32).
    """

    count, side = 68, 112

    def __init__(self, name: str, path: Path, device: str = "cpu") -> None:
        self.name = name
        self._session: Any = onnx_session(path, device)
        self._input = self._session.get_inputs()[0].name

    def _window(self, image: U8Image, box: Box | None) -> Matrix:
        if box is None:
            box = _ffhq_box(image.shape[1], image.shape[0])
        return _onto(_square(box, 1.2), self.side)

    def _run(self, crops: U8Image) -> npt.NDArray[np.float32]:
        pixels = np.ascontiguousarray(crops.transpose(0, 3, 1, 2), np.float32) / 255
        out: npt.NDArray[np.float32] = self._session.run(None, {self._input: pixels})[0]
        return out.reshape(len(crops), -1, 2)


LANDMARKERS: dict[str, type[AWing] | type[Pfld]] = {"awing-wflw98": AWing, "pfld-68": Pfld}
"""Every engine; its name is that of its weight card too."""


def load_landmarker(name: str, store: WeightStore | None = None, device: str = "cpu") -> Landmarker:
    """An engine ready to find landmarks."""
    if name not in LANDMARKERS:
        raise UnknownName("landmark engine", name, LANDMARKERS)
    return LANDMARKERS[name](name, store_or_default(store).path(name), device)


def _ffhq_box(width: int, height: int) -> Box:
    """Where detectors put the face's box in an FFHQ-aligned image (mean over sharp faces)."""
    return Box(0.22 * width, 0.175 * height, 0.765 * width, 0.925 * height)


def _square(box: Box, margin: float) -> tuple[float, float, float, float]:
    """The square around a box, wider by a factor: left, top, width, height."""
    side = max(box.right - box.left, box.bottom - box.top) * margin
    return (box.left + box.right - side) / 2, (box.top + box.bottom - side) / 2, side, side


def _onto(window: tuple[float, float, float, float], side: int) -> Matrix:
    """The matrix that draws a window (its edges, not its pixel centres) onto a canvas of side×side."""
    left, top, width, height = window
    x, y = side / width, side / height
    return np.array([[x, 0, (0.5 - left) * x - 0.5], [0, y, (0.5 - top) * y - 0.5]])
