"""From RGB in [0, 1] to the planes that a metric compares: which colours, rounded or not, cropped, colour-matched."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias

from pydantic import Field

from bfrbench.config import Frozen

if TYPE_CHECKING:
    from torch import Tensor

Colour: TypeAlias = Literal["rgb", "y-full", "y-studio"]
_WEIGHTS = {"y-full": (0.299, 0.587, 0.114), "y-studio": (65.481 / 255, 128.553 / 255, 24.966 / 255)}
_STUDIO_BLACK = 16.0


class PlaneChoices(Frozen):
    """What every pixel metric has to choose before it compares anything."""

    colour: Colour = Field(
        description="rgb averages three channels; y-full is YIQ luma over 0-255; y-studio is BT.601 luma over 16-235"
    )
    rounded: bool = Field(description="whether luma is rounded to whole levels before comparing")
    crop: int = Field(ge=0, description="pixels cut off at each border")
    match_colour: bool = Field(
        description="whether each restored channel is first given the mean and deviation of the ground truth's"
    )


def levels(batch: Tensor, choices: PlaneChoices) -> Tensor:
    """N×3×H×W in [0, 1] to N×C×H×W over 0-255."""
    if choices.crop:
        edge = choices.crop
        batch = batch[..., edge:-edge, edge:-edge]
    planes = luma(batch, choices.colour)
    return planes.round() if choices.rounded else planes


def luma(batch: Tensor, colour: Colour) -> Tensor:
    """RGB in [0, 1] to the chosen planes over 0-255, in the type of `batch`.

    One pixel in some thousands lies just between two levels, and rounding should send it where theirs goes: luma of
    0-255 is added up fused in float32, as pyiqa's matrix product does, and luma of 16-235 in float64, as BasicSR does.
    """
    import torch

    if colour == "rgb":
        return batch * 255
    kind = batch.dtype if colour == "y-full" else torch.float64
    red, green, blue = batch.to(kind).unbind(1)
    weights = [torch.tensor(weight, dtype=kind, device=batch.device) for weight in _WEIGHTS[colour]]
    plane = torch.addcmul(torch.addcmul(red * weights[0], green, weights[1]), blue, weights[2]).unsqueeze(1) * 255
    return (plane if colour == "y-full" else plane + _STUDIO_BLACK).to(batch.dtype)


def parts(batch: Tensor) -> tuple[Tensor, ...]:
    """What arithmetic on planes takes at once: on a CPU one image, whose planes then stay in the cache; else all."""
    return batch.tensor_split(len(batch)) if batch.device.type == "cpu" else (batch,)


def pair(restored: Tensor, gt: Tensor, choices: PlaneChoices) -> tuple[Tensor, Tensor]:
    """Both sides, ready to compare."""
    if choices.match_colour:
        restored = matched(restored, gt)
    return levels(restored, choices), levels(gt, choices)


def matched(restored: Tensor, gt: Tensor) -> Tensor:
    """Each restored channel shifted and scaled to the ground truth's mean and deviation; nothing is clipped.

    A channel of one level only has no deviation to scale and is just shifted.
    """
    axes = (-2, -1)
    deviation = restored.std(axes, correction=0, keepdim=True)
    scale = (gt.std(axes, correction=0, keepdim=True) / deviation).where(deviation > 0, 1.0)
    return (restored - restored.mean(axes, keepdim=True)) * scale + gt.mean(axes, keepdim=True)
