"""One way to bring a batch to another size: bicubic (a = -0.5) with antialiasing, as Pillow does it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


def resize_batch(batch: Tensor, size: tuple[int, int]) -> Tensor:
    """N×C×H×W to N×C×size, in the batch's own type; values may overshoot [0, 1] by a little."""
    from torch.nn.functional import interpolate

    if tuple(batch.shape[-2:]) == size:
        return batch
    return interpolate(batch, size=size, mode="bicubic", antialias=True, align_corners=False)
