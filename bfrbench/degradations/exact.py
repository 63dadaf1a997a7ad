"""The exact road: an 8-bit image and a draw give an 8-bit low-quality image, the same bytes on every machine.

Between codecs the image is float32 with grey levels 0–255, as the field's code keeps it in floats; only a codec
and the end round it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from bfrbench.contracts import Draw, Op, Pair
from bfrbench.degradations import codecs, colour, filtering, noise, tasks
from bfrbench.degradations.filtering import to_uint8
from bfrbench.degradations.kernels import kernel_of
from bfrbench.errors import InputError, suggestion

if TYPE_CHECKING:
    import numpy.typing as npt

    from bfrbench.contracts import U8Image

    Levels = npt.NDArray[np.float32]
    Image = U8Image | Levels

_BLURS = ("blur", "sinc", "motion", "defocus")


@dataclass(frozen=True)
class State:
    """An image on its way, its target, and what the steps may look at."""

    image: Image
    """uint8, or float32 with grey levels 0–255."""
    target: U8Image
    noise_key: int
    field: int = 0
    """Numbers the noise fields of a draw."""
    labels: U8Image | None = None

    @property
    def levels(self) -> Levels:
        return self.image.astype(np.float32, copy=False)

    @property
    def rounded(self) -> U8Image:
        return to_uint8(self.image)


def apply(gt: U8Image, draw: Draw, *, labels: U8Image | None = None) -> Pair:
    """The low-quality image and its target; `labels` is the parsing map that `palette` needs."""
    if gt.dtype != np.uint8 or gt.ndim != 3 or gt.shape[2] != 3:
        raise InputError(f"the image is {gt.dtype} {gt.shape}", "give uint8, height × width × 3, RGB")
    state = _run(State(gt, gt, draw.noise_key, labels=labels), draw.ops)
    return Pair(np.array(state.rounded, order="C"), np.array(state.target, order="C"))


def target_size(op: Op, current: tuple[int, int], given: tuple[int, int]) -> tuple[int, int]:
    """Height and width after a resize: whole pixels, at least one, as the field's code truncates them."""
    if op.args.get("to") == "input":
        return given
    sides = given if op.args.get("of") == "input" else current
    if "ratio" in op.args:
        return tuple(max(1, int(side // op.args["ratio"])) for side in sides)  # type: ignore[return-value]
    return tuple(max(1, int(side * op.args["scale"])) for side in sides)  # type: ignore[return-value]


def _run(state: State, ops: Sequence[Op]) -> State:
    start = state
    place = 0
    while place < len(ops):
        op = ops[place]
        following = ops[place + 1] if place + 1 < len(ops) else None
        if op.name in _BLURS and following is not None and following.name == "resize":
            size = target_size(following, state.image.shape[:2], state.target.shape[:2])
            kernel = kernel_of(op.name, op.args)
            image = filtering.blur_resize(state.image, kernel, size, following.args["method"])
            state = replace(state, image=image)
            place += 2
        elif op.name == "resize" and following is None:
            size = target_size(op, state.image.shape[:2], state.target.shape[:2])
            state = replace(state, image=filtering.resize_rounded(state.image, size, op.args["method"]))
            place += 1
        elif op.name == "patch":
            state = _patch(state, start, op.args)
            place += 1
        else:
            state = _step(op)(state, op.args)
            place += 1
    return state


def _step(op: Op) -> Callable[[State, Mapping[str, Any]], State]:
    if op.name not in _STEPS:
        raise InputError(f"the draw holds an operation {op.name!r}", suggestion(op.name, [*_STEPS, "patch"]))
    return _STEPS[op.name]


def _patch(state: State, start: State, args: Mapping[str, Any]) -> State:
    """Inside the patch as it is, outside from a second way through the steps."""
    ops = tuple(Op(op["name"], op["args"]) for op in args["around"])
    around = _run(replace(start, field=state.field), ops)
    height, width = state.target.shape[:2]
    side = min(int(args["side"]), height, width)
    left, top = int(args["x"] * (width - side + 1)), int(args["y"] * (height - side + 1))
    mixed = around.levels.copy()
    if mixed.shape != state.image.shape:
        raise InputError("a patch needs images of the input's size", 'put a resize with to = "input" before it')
    mixed[top : top + side, left : left + side] = state.image[top : top + side, left : left + side]
    return replace(state, image=mixed, field=around.field)


def _blur(op: str) -> Callable[[State, Mapping[str, Any]], State]:
    return lambda state, args: replace(state, image=filtering.blur(state.image, kernel_of(op, args)))


def _resize(state: State, args: Mapping[str, Any]) -> State:
    size = target_size(Op("resize", args), state.image.shape[:2], state.target.shape[:2])
    return replace(state, image=filtering.resize(state.image, size, args["method"]))


def _gaussian(state: State, args: Mapping[str, Any]) -> State:
    height, width = state.image.shape[:2]
    field = noise.normal(state.noise_key, state.field, (height, width, 1 if args["grey"] else 3))
    field *= np.float32(args["sigma"] / noise.GRAIN)
    return replace(state, image=_clipped(state.image + field), field=state.field + 1)


def _poisson(state: State, args: Mapping[str, Any]) -> State:
    levels = to_uint8(colour.luma(state.levels)[..., None]) if args["grey"] else state.rounded
    excess = noise.poisson_excess(levels, state.noise_key, state.field)
    excess *= np.float32(args["scale"])
    return replace(state, image=_clipped(state.image + excess), field=state.field + 1)


def _clipped(image: Levels) -> Levels:
    return np.clip(image, 0, 255, out=image)


def _jpeg(state: State, args: Mapping[str, Any]) -> State:
    return replace(state, image=codecs.jpeg(state.rounded, int(args["quality"])))


def _webp(state: State, args: Mapping[str, Any]) -> State:
    return replace(state, image=codecs.webp(state.rounded, int(args["quality"])))


def _grey(state: State, args: Mapping[str, Any]) -> State:
    grey = colour.grey(state.levels)
    target = to_uint8(colour.grey(state.target.astype(np.float32))) if args["target"] else state.target
    return replace(state, image=grey, target=target)


def _colour(
    change: Callable[[Levels, Mapping[str, Any]], Levels],
) -> Callable[[State, Mapping[str, Any]], State]:
    return lambda state, args: replace(state, image=change(state.levels, args))


def _move(state: State, args: Mapping[str, Any]) -> State:
    def moved(image: Image) -> Any:
        x, y = int(args["x"]), int(args["y"])
        border = (max(y, 0), max(-y, 0), max(x, 0), max(-x, 0))
        padded = cv2.copyMakeBorder(image, *border, cv2.BORDER_REFLECT)
        height, width = image.shape[:2]
        return padded[max(-y, 0) : max(-y, 0) + height, max(-x, 0) : max(-x, 0) + width]

    return replace(state, image=moved(state.image), target=moved(state.target))


def _flip(state: State, args: Mapping[str, Any]) -> State:
    return replace(state, image=_mirrored(state.image), target=_mirrored(state.target))


def _mirrored(image: Image) -> Any:
    return np.ascontiguousarray(image[:, ::-1])


def _strokes(state: State, args: Mapping[str, Any]) -> State:
    height, width = state.image.shape[:2]
    mask = tasks.strokes_mask(height, width, args)
    return replace(state, image=np.where(mask[..., None], state.image.dtype.type(255), state.image))


def _palette(state: State, args: Mapping[str, Any]) -> State:
    return replace(state, image=tasks.palette(state.labels, state.image.shape))


_STEPS: dict[str, Callable[[State, Mapping[str, Any]], State]] = {
    **{op: _blur(op) for op in _BLURS},
    "resize": _resize,
    "gaussian": _gaussian,
    "poisson": _poisson,
    "jpeg": _jpeg,
    "webp": _webp,
    "shift": _colour(colour.shift),
    "jitter": _colour(colour.jitter),
    "grey": _grey,
    "haze": _colour(colour.haze),
    "light": _colour(colour.light),
    "move": _move,
    "flip": _flip,
    "strokes": _strokes,
    "palette": _palette,
}
