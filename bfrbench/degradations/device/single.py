"""The steps that images of a batch take one by one: colour, moves and tasks, which few images meet at a time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import torch

from bfrbench.degradations.device.together import luma
from bfrbench.degradations.device.work import Work, rounded

if TYPE_CHECKING:
    from torch import Tensor

_TORCHVISION_LUMA = (0.2989, 0.587, 0.114)


def _shift(work: Work, args: Mapping[str, Any]) -> None:
    amount = torch.tensor([args["red"], args["green"], args["blue"]], device=work.image.device)
    work.image = (work.image + amount[:, None, None]).clamp(0, 255)


def _haze(work: Work, args: Mapping[str, Any]) -> None:
    work.image = work.image * args["alpha"] + 255.0 * (1.0 - args["alpha"])


def _light(work: Work, args: Mapping[str, Any]) -> None:
    from bfrbench.degradations.colour import gains

    height, width = work.image.shape[1:]
    gain = torch.from_numpy(gains(height, width, args["gain"], args["angle"]))
    work.image = (work.image * gain.to(work.image.device)).clamp(0, 255)


def _jitter(work: Work, args: Mapping[str, Any]) -> None:
    for change in args["order"]:
        work.image = _JITTERS[change](work.image, args[change])


def _grey(work: Work, args: Mapping[str, Any]) -> None:
    work.image = luma(work.image).expand(3, -1, -1)
    if args["target"]:
        work.target = rounded(luma(work.target)).expand(3, -1, -1)


def _flip(work: Work, args: Mapping[str, Any]) -> None:
    work.image, work.target = work.image.flip(2), work.target.flip(2)


def _move(work: Work, args: Mapping[str, Any]) -> None:
    work.image, work.target = (_moved(image, int(args["x"]), int(args["y"])) for image in (work.image, work.target))


def _webp(work: Work, args: Mapping[str, Any]) -> None:
    """The real encoder: an image leaves the device, and gradients stop."""
    from bfrbench.degradations.codecs import webp

    levels = work.image.detach().round().clamp(0, 255).to(torch.uint8).movedim(0, -1).cpu().numpy()
    work.image = torch.tensor(webp(levels, int(args["quality"]))).movedim(-1, 0).float().to(work.image.device)


def _strokes(work: Work, args: Mapping[str, Any]) -> None:
    from bfrbench.degradations.tasks import strokes_mask

    height, width = work.image.shape[1:]
    mask = torch.from_numpy(strokes_mask(height, width, args)).to(work.image.device)
    work.image = torch.where(mask, 255.0, work.image)


def _palette(work: Work, args: Mapping[str, Any]) -> None:
    from bfrbench.degradations.tasks import palette

    labels = None if work.labels is None else work.labels.to(torch.uint8).cpu().numpy()
    coloured = palette(labels, tuple(work.image.shape[1:]))
    work.image = torch.from_numpy(coloured).movedim(-1, 0).float().to(work.image.device)


def _moved(image: Tensor, x: int, y: int) -> Tensor:
    def places(side: int, by: int) -> Tensor:
        turn = (torch.arange(side, device=image.device) - by) % (2 * side)
        return torch.minimum(turn, 2 * side - 1 - turn)

    return image[:, places(image.shape[1], y)][:, :, places(image.shape[2], x)]


def _brightness(image: Tensor, factor: float) -> Tensor:
    return (image * factor).clamp(0, 255)


def _contrast(image: Tensor, factor: float) -> Tensor:
    return _blend(image, _torchvision_luma(image).mean(), factor)


def _saturation(image: Tensor, factor: float) -> Tensor:
    return _blend(image, _torchvision_luma(image), factor)


def _hue(image: Tensor, turn: float) -> Tensor:
    """See `bfrbench.degradations.colour`."""
    high, low = image.amax(0), image.amin(0)
    spread = high - low
    red, green, blue = (high - image) / torch.where(spread == 0, 1.0, spread)
    is_red, is_green = image[0] == high, image[1] == high
    hue = torch.where(is_red, blue - green, torch.where(is_green, 2.0 + red - blue, 4.0 + green - red)) / 6.0
    hue = torch.where(spread == 0, 0.0, hue) + turn
    sector = (torch.tensor([5.0, 3.0, 1.0], device=image.device)[:, None, None] + hue * 6.0) % 6.0
    return high - spread * torch.minimum(sector, 4.0 - sector).clamp(0, 1)


def _blend(image: Tensor, other: Tensor, factor: float) -> Tensor:
    return (factor * image + (1.0 - factor) * other).clamp(0, 255)


def _torchvision_luma(image: Tensor) -> Tensor:
    red, green, blue = _TORCHVISION_LUMA
    return image[0] * red + image[1] * green + image[2] * blue


_JITTERS: dict[str, Callable[[Tensor, float], Tensor]] = {
    "brightness": _brightness,
    "contrast": _contrast,
    "saturation": _saturation,
    "hue": _hue,
}

STEPS: dict[str, Callable[[Work, Mapping[str, Any]], None]] = {
    "shift": _shift,
    "haze": _haze,
    "light": _light,
    "jitter": _jitter,
    "grey": _grey,
    "flip": _flip,
    "move": _move,
    "webp": _webp,
    "strokes": _strokes,
    "palette": _palette,
}
