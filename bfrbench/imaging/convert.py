"""Between uint8 images and float tensors: quantising rounds to the nearest level, never truncates."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

    from bfrbench.contracts import U8Image


def to_tensor(image: U8Image) -> Tensor:
    """H×W×3 uint8 to 3×H×W float32 in [0, 1]."""
    import numpy as np
    import torch

    return torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1))).float().div_(255)


def quantise(batch: Tensor) -> Tensor:
    """Float in [0, 1] to uint8 levels, still a tensor: clamped, then rounded half away from zero."""
    import torch

    return batch.clamp(0, 1).mul_(255).add_(0.5).floor_().to(torch.uint8)


def from_tensor(image: Tensor) -> U8Image:
    """3×H×W float in [0, 1] to H×W×3 uint8."""
    return from_batch(image[None])[0]


def from_batch(batch: Tensor) -> list[U8Image]:
    """The images of an N×3×H×W batch; it leaves its device once."""
    import numpy as np

    # torch turns bytes three times as slowly
    return [np.stack(list(planes), -1) for planes in quantise(batch.float()).cpu().numpy()]
