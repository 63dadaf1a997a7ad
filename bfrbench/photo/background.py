"""What lies around the faces: enlarged by bicubic interpolation, or by a super-resolution network in tiles."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from bfrbench.errors import InputError, UsageError, WeightsError
from bfrbench.imaging.convert import from_tensor, to_tensor
from bfrbench.imaging.picture import MAX_PIXELS

if TYPE_CHECKING:
    from bfrbench.contracts import U8Image

_OVERLAP = 16


class Background(Protocol):
    """Enlarges a photograph by a whole factor."""

    def __call__(self, image: U8Image, upscale: int) -> U8Image: ...


def bicubic(image: U8Image, upscale: int) -> U8Image:
    """A new image, enlarged without inventing anything."""
    return image.copy() if upscale == 1 else _resized(image, enlarged_size(image, upscale))


def enlarged_size(image: U8Image, upscale: int) -> tuple[int, int]:
    """Width and height after enlarging, unless that is more than could be read again."""
    height, width = image.shape[:2]
    if height * width * upscale**2 > MAX_PIXELS:
        pixels = f"{width * upscale}×{height * upscale}"
        raise InputError(f"enlarged {upscale} times it would have {pixels} pixels", "choose a smaller --upscale")
    return width * upscale, height * upscale


class Network:
    """Any super-resolution file that spandrel knows. Its own factor is brought to the one asked for."""

    def __init__(self, path: Path, device: str = "cpu", tile: int = 512) -> None:
        import spandrel

        from bfrbench.weights.reading import read_safetensors, read_torch

        if tile <= 2 * _OVERLAP:
            raise UsageError(f"tiles of {tile} pixels are too small", f"choose more than {2 * _OVERLAP}")
        self.device, self.tile = device, tile
        tree = read_safetensors(path) if path.suffix == ".safetensors" else read_torch(path)
        try:
            model: Any = spandrel.ModelLoader().load_from_state_dict(spandrel.canonicalize_state_dict(tree))
        except Exception as error:  # spandrel meets whatever the file holds
            problem = f"{path} is not a network that spandrel knows ({error})"
            raise WeightsError(problem, "give a super-resolution file, such as RealESRGAN's") from error
        if model.input_channels != 3 or model.output_channels != 3:
            raise UsageError(f"{path} does not map RGB to RGB", "give a super-resolution network for photographs")
        self.model = model.to(device).eval()

    def __call__(self, image: U8Image, upscale: int) -> U8Image:
        size = enlarged_size(image, upscale)
        enlarged_size(image, self.model.scale)
        height, width = image.shape[:2]
        grown = np.empty((height * self.model.scale, width * self.model.scale, 3), np.uint8)
        for top, bottom in _spans(height, self.tile):
            for left, right in _spans(width, self.tile):
                self._one(image, grown, (top, bottom, left, right))
        return _resized(grown, size)

    def _one(self, image: U8Image, grown: U8Image, tile: tuple[int, int, int, int]) -> None:
        """Compute a tile with a margin of its neighbours, and keep the tile."""
        import torch

        top, bottom, left, right = tile
        y, x = max(0, top - _OVERLAP), max(0, left - _OVERLAP)
        part = image[y : bottom + _OVERLAP, x : right + _OVERLAP]
        with torch.inference_mode():
            out = from_tensor(self.model(to_tensor(part)[None].to(self.device))[0])
        s = self.model.scale
        grown[top * s : bottom * s, left * s : right * s] = out[
            (top - y) * s : (bottom - y) * s, (left - x) * s : (right - x) * s
        ]


def _resized(image: U8Image, size: tuple[int, int]) -> U8Image:
    from PIL import Image

    if (image.shape[1], image.shape[0]) == size:
        return image
    return np.array(Image.fromarray(image).resize(size, Image.Resampling.BICUBIC))


def _spans(length: int, tile: int) -> Iterator[tuple[int, int]]:
    for start in range(0, length, tile):
        yield start, min(start + tile, length)
