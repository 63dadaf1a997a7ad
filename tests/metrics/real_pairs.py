"""Real faces beside spoilt copies of themselves, for tests of metrics."""

from __future__ import annotations

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from bfrbench.contracts import Scored
from tests.shared_data import faces_hq


def faces(count: int, size: int = 512) -> Tensor:
    """N×3×size×size in [0, 1], whole 8-bit levels."""
    images = [
        Image.open(path).convert("RGB").resize((size, size), Image.Resampling.BICUBIC) for path in faces_hq(count)
    ]
    return torch.from_numpy(np.stack([np.asarray(image) for image in images])).permute(0, 3, 1, 2).float() / 255


def spoilt(gt: Tensor, *, factor: int = 4, noise: float = 4.0, seed: int = 0) -> Tensor:
    """Made smaller and larger again, with noise and a colour cast, in whole 8-bit levels."""
    small = torch.nn.functional.interpolate(gt, scale_factor=1 / factor, mode="area")
    large = torch.nn.functional.interpolate(small, size=gt.shape[-2:], mode="bicubic") * 255
    generator = torch.Generator().manual_seed(seed)
    cast = torch.tensor([6.0, 0.0, -6.0]).view(1, 3, 1, 1)
    return (large + cast + noise * torch.randn(gt.shape, generator=generator)).round().clamp(0, 255) / 255


def scored(restored: Tensor, gt: Tensor | None) -> Scored:
    return Scored(tuple(f"face-{index}" for index in range(len(restored))), None, restored, gt=gt)


def hwc(image: Tensor) -> np.ndarray:
    """3×H×W in [0, 1] to H×W×3 uint8."""
    return image.mul(255).round().byte().permute(1, 2, 0).numpy()
