"""Degradations: a recipe draws plain numbers for an image, and applying a draw makes the low-quality image.

    recipe = load_recipe("gfpgan")
    pair = apply(gt, recipe.draw(seed=0, image_id="00001"))

`apply` is the exact road (uint8, CPU, the same bytes everywhere), `apply_batch` the device road (float, torch).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from bfrbench.degradations.library import load_recipe, shipped_names
from bfrbench.degradations.recipe import Recipe

if TYPE_CHECKING:
    from torch import Tensor

    from bfrbench.contracts import Draw, Pair, U8Image

__all__ = ["Recipe", "apply", "apply_batch", "load_recipe", "shipped_names"]


def apply(gt: U8Image, draw: Draw, *, labels: U8Image | None = None) -> Pair:
    """The exact road; see `bfrbench.degradations.exact.apply`."""
    from bfrbench.degradations import exact

    return exact.apply(gt, draw, labels=labels)


def apply_batch(gt: Tensor, draws: Sequence[Draw], *, labels: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """The device road; see `bfrbench.degradations.device.apply_batch`."""
    from bfrbench.degradations import device

    return device.apply_batch(gt, draws, labels=labels)
