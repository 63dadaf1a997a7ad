"""The ONNX operators of recognition and landmark networks, each in torch.

Every function here takes a node's attributes, with ONNX's own names and defaults, and gives back the function of the
node's inputs. An attribute that is no argument is one that is not known; a value that is known but not computed here
raises `Unsupported`. Axes and limits that newer opsets moved from attributes to inputs are taken from either.

Floating-point tensors lie on the network's device. Shapes and indices are int64 and stay on the CPU, so that no reshape
waits for an accelerator.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional as F

Operator = Callable[..., Tensor]
"""A node's inputs in, its first output out; inputs that a node leaves out are None."""

Ints = Sequence[int]

TYPES = {1: torch.float32, 6: torch.int32, 7: torch.int64, 9: torch.bool}
"""The element types that are read, by ONNX's numbers."""


class Unsupported(Exception):
    """What a file asks for and nothing here computes."""


def _only(allowed: object, **given: object) -> None:
    for name, value in given.items():
        if value != allowed:
            raise Unsupported(f"{name} {value!r}")


def conv(
    *,
    auto_pad: str = "NOTSET",
    dilations: Ints = (1, 1),
    group: int = 1,
    kernel_shape: Ints = (),
    pads: Ints = (0, 0, 0, 0),
    strides: Ints = (1, 1),
) -> Operator:
    _two_axes(dilations, kernel_shape, pads, strides)
    _check_padding(auto_pad, pads)

    def run(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        if kernel_shape and tuple(kernel_shape) != tuple(weight.shape[2:]):
            raise Unsupported(f"kernel_shape {list(kernel_shape)} beside a kernel of {list(weight.shape[2:])}")
        top, left, bottom, right = _padding(auto_pad, pads, x, weight.shape[2:], strides, dilations)
        if (top, left) != (bottom, right):
            x, top, left = F.pad(x, (left, right, top, bottom)), 0, 0
        return F.conv2d(x, weight, bias, tuple(strides), (top, left), tuple(dilations), group)

    return run


def max_pool(
    *,
    kernel_shape: Ints,
    auto_pad: str = "NOTSET",
    ceil_mode: int = 0,
    dilations: Ints = (1, 1),
    pads: Ints = (0, 0, 0, 0),
    storage_order: int = 0,
    strides: Ints = (1, 1),
) -> Operator:
    _only(0, ceil_mode=ceil_mode, storage_order=storage_order)
    _two_axes(dilations, kernel_shape, pads, strides)
    _check_padding(auto_pad, pads)

    def run(x: Tensor) -> Tensor:
        top, left, bottom, right = _padding(auto_pad, pads, x, kernel_shape, strides, dilations)
        x = F.pad(x, (left, right, top, bottom), value=-math.inf)
        return F.max_pool2d(x, tuple(kernel_shape), tuple(strides), 0, tuple(dilations))

    return run


def average_pool(
    *,
    kernel_shape: Ints,
    auto_pad: str = "NOTSET",
    ceil_mode: int = 0,
    count_include_pad: int = 0,
    dilations: Ints = (1, 1),
    pads: Ints = (0, 0, 0, 0),
    strides: Ints = (1, 1),
) -> Operator:
    _only(0, ceil_mode=ceil_mode)
    _only([1, 1], dilations=list(dilations))
    _two_axes(kernel_shape, pads, strides)
    _check_padding(auto_pad, pads)

    def pool(x: Tensor) -> Tensor:
        return F.avg_pool2d(x, tuple(kernel_shape), tuple(strides))

    def run(x: Tensor) -> Tensor:
        top, left, bottom, right = around = _padding(auto_pad, pads, x, kernel_shape, strides, dilations)
        if not any(around):
            return pool(x)
        mean = pool(F.pad(x, (left, right, top, bottom)))
        if count_include_pad:
            return mean
        return mean / pool(F.pad(torch.ones_like(x[:1, :1]), (left, right, top, bottom)))

    return run


def batch_normalization(
    *, epsilon: float = 1e-5, momentum: float = 0.9, spatial: int = 1, training_mode: int = 0
) -> Operator:
    _only(1, spatial=spatial)
    _only(0, training_mode=training_mode)

    def run(x: Tensor, scale: Tensor, shift: Tensor, mean: Tensor, variance: Tensor) -> Tensor:
        return F.batch_norm(x, mean, variance, scale, shift, training=False, eps=epsilon)

    return run


def prelu() -> Operator:
    return lambda x, slope: torch.where(x < 0, slope * x, x)


def clip(*, min: float | None = None, max: float | None = None) -> Operator:
    def run(x: Tensor, low: Tensor | None = None, high: Tensor | None = None) -> Tensor:
        for bound, at_least in ((min if low is None else low, True), (max if high is None else high, False)):
            if bound is not None:
                x = x.clamp_min(bound) if at_least else x.clamp_max(bound)
        return x

    return run


def relu() -> Operator:
    return F.relu


def sigmoid() -> Operator:
    return torch.sigmoid


def add() -> Operator:
    return torch.add


def sub() -> Operator:
    return torch.sub


def mul() -> Operator:
    return torch.mul


def div() -> Operator:
    """Whole numbers are divided towards zero, as ONNX says."""
    return lambda a, b: torch.div(a, b) if a.is_floating_point() else torch.div(a, b, rounding_mode="trunc")


def matmul() -> Operator:
    return torch.matmul


def gemm(*, alpha: float = 1.0, beta: float = 1.0, transA: int = 0, transB: int = 0) -> Operator:
    def run(a: Tensor, b: Tensor, c: Tensor | None = None) -> Tensor:
        a, b = a.T if transA else a, b.T if transB else b
        return alpha * (a @ b) if c is None else torch.addmm(c, a, b, beta=beta, alpha=alpha)

    return run


def global_average_pool() -> Operator:
    return lambda x: x.mean(tuple(range(2, x.ndim)), keepdim=True)


def reduce_mean(*, axes: Ints | None = None, keepdims: int = 1, noop_with_empty_axes: int = 0) -> Operator:
    _only(0, noop_with_empty_axes=noop_with_empty_axes)
    return lambda x, given=None: x.mean(_axes(x, axes, given), keepdim=bool(keepdims))


def reduce_l2(*, axes: Ints | None = None, keepdims: int = 1, noop_with_empty_axes: int = 0) -> Operator:
    _only(0, noop_with_empty_axes=noop_with_empty_axes)
    return lambda x, given=None: torch.linalg.vector_norm(x, 2, _axes(x, axes, given), keepdim=bool(keepdims))


def lp_normalization(*, axis: int = -1, p: int = 2) -> Operator:
    """A vector of zeros stays one, as in onnxruntime."""
    return lambda x: F.normalize(x, float(p), axis, eps=torch.finfo(torch.float32).tiny)


def concat(*, axis: int) -> Operator:
    return lambda *parts: torch.cat(parts, axis)


def dropout(*, ratio: float = 0.5, seed: int = 0) -> Operator:
    """Nothing: a network that is used drops nothing."""

    def run(x: Tensor, ratio_in: Tensor | None = None, training: Tensor | None = None) -> Tensor:
        if training is not None and bool(training):
            raise Unsupported("training_mode")
        return x

    return run


def identity() -> Operator:
    return lambda x: x


def constant(
    *,
    value: npt.NDArray[Any] | None = None,
    value_float: float | None = None,
    value_floats: Sequence[float] | None = None,
    value_int: int | None = None,
    value_ints: Ints | None = None,
) -> Operator:
    for given, kind in ((value_float, torch.float32), (value_floats, torch.float32), (value_int, torch.int64)):
        if given is not None:
            tensor = torch.tensor(given, dtype=kind)
            return lambda: tensor
    stored = torch.tensor(value_ints, dtype=torch.int64) if value is None else from_array(value)
    return lambda: stored


def flatten(*, axis: int = 1) -> Operator:
    return lambda x: x.reshape(math.prod(x.shape[:axis]), math.prod(x.shape[axis:]))


def reshape(*, allowzero: int = 0) -> Operator:
    _only(0, allowzero=allowzero)

    def run(x: Tensor, shape: Tensor) -> Tensor:
        return x.reshape([x.shape[i] if side == 0 else side for i, side in enumerate(shape.tolist())])

    return run


def transpose(*, perm: Ints | None = None) -> Operator:
    return lambda x: x.permute(tuple(perm) if perm is not None else tuple(range(x.ndim))[::-1])


def squeeze(*, axes: Ints | None = None) -> Operator:
    def run(x: Tensor, given: Tensor | None = None) -> Tensor:
        if axes is None and given is None:
            return x.squeeze()
        chosen = _axes(x, axes, given)
        if any(x.shape[axis] != 1 for axis in chosen):
            raise Unsupported(f"axes {list(chosen)} of {list(x.shape)}, which are not all 1")
        return x.squeeze(chosen)

    return run


def unsqueeze(*, axes: Ints | None = None) -> Operator:
    def run(x: Tensor, given: Tensor | None = None) -> Tensor:
        chosen = _listed(axes, given)
        rank = x.ndim + len(chosen)
        for axis in sorted(axis % rank for axis in chosen):
            x = x.unsqueeze(axis)
        return x

    return run


def shape(*, start: int = 0, end: int | None = None) -> Operator:
    return lambda x: torch.tensor(list(x.shape)[start:end], dtype=torch.int64)


def gather(*, axis: int = 0) -> Operator:
    def run(x: Tensor, indices: Tensor) -> Tensor:
        along = axis % x.ndim
        flat = (indices.flatten() % x.shape[along]).to(x.device)
        return x.index_select(along, flat).reshape((*x.shape[:along], *indices.shape, *x.shape[along + 1 :]))

    return run


def expand() -> Operator:
    return lambda x, shape: x.expand(np.broadcast_shapes(tuple(x.shape), tuple(shape.tolist())))


def cast(*, to: int, saturate: int = 1) -> Operator:
    """`saturate` is about floats of eight bits, which are no type that is read here."""
    if to not in TYPES:
        raise Unsupported(f"to {to} (a type's number in ONNX)")
    return lambda x: x.to(TYPES[to])


def pad(*, mode: str = "constant", pads: Ints | None = None, value: float = 0.0) -> Operator:
    _only("constant", mode=mode)

    def run(x: Tensor, given: Tensor | None = None, fill: Tensor | None = None) -> Tensor:
        sides = _listed(pads, given)
        starts, ends = sides[: x.ndim], sides[x.ndim :]
        around = [side for pair in reversed(list(zip(starts, ends, strict=True))) for side in pair]
        return F.pad(x, around, value=value if fill is None else float(fill)) if any(around) else x

    return run


OPERATORS: dict[str, Callable[..., Operator]] = {
    "Add": add,
    "AveragePool": average_pool,
    "BatchNormalization": batch_normalization,
    "Cast": cast,
    "Clip": clip,
    "Concat": concat,
    "Constant": constant,
    "Conv": conv,
    "Div": div,
    "Dropout": dropout,
    "Expand": expand,
    "Flatten": flatten,
    "Gather": gather,
    "Gemm": gemm,
    "GlobalAveragePool": global_average_pool,
    "Identity": identity,
    "LpNormalization": lp_normalization,
    "MatMul": matmul,
    "MaxPool": max_pool,
    "Mul": mul,
    "PRelu": prelu,
    "Pad": pad,
    "ReduceL2": reduce_l2,
    "ReduceMean": reduce_mean,
    "Relu": relu,
    "Reshape": reshape,
    "Shape": shape,
    "Sigmoid": sigmoid,
    "Squeeze": squeeze,
    "Sub": sub,
    "Transpose": transpose,
    "Unsqueeze": unsqueeze,
}
"""Every operator that is computed, by ONNX's name."""


def from_array(array: npt.NDArray[Any]) -> Tensor:
    """A tensor of a file's constant; half and double precision are refused, because all runs in float32."""
    if array.dtype not in (np.float32, np.int32, np.int64, np.bool_):
        raise Unsupported(f"constants of type {array.dtype}")
    return torch.from_numpy(np.array(array))


def _listed(attribute: Ints | None, given: Tensor | None) -> list[int]:
    """What opsets have either as an attribute or as an input."""
    if given is not None:
        return [int(value) for value in given.tolist()]
    if attribute is None:
        raise Unsupported("neither an attribute nor an input where one of them must be")
    return list(attribute)


def _axes(x: Tensor, attribute: Ints | None, given: Tensor | None) -> tuple[int, ...]:
    """Axes counted from the front; none given are all."""
    if attribute is None and given is None:
        return tuple(range(x.ndim))
    return tuple(axis % x.ndim for axis in _listed(attribute, given)) or tuple(range(x.ndim))


def _two_axes(*lists: Ints) -> None:
    if any(len(each) not in (0, 2, 4) for each in lists):
        raise Unsupported("windows over other than two axes")


def _check_padding(auto_pad: str, pads: Ints) -> None:
    if auto_pad not in ("NOTSET", "VALID", "SAME_UPPER", "SAME_LOWER"):
        raise Unsupported(f"auto_pad {auto_pad!r}")
    if auto_pad != "NOTSET" and any(pads):
        raise Unsupported(f"auto_pad {auto_pad!r} beside pads {list(pads)}")


def _padding(auto_pad: str, pads: Ints, x: Tensor, kernel: Ints, strides: Ints, dilations: Ints) -> tuple[int, ...]:
    """Top, left, bottom and right. SAME keeps a stride's share of each side; an odd pixel goes where its name says."""
    if not auto_pad.startswith("SAME"):
        return tuple(pads)
    starts, ends = [], []
    for side, width, stride, dilation in zip(x.shape[2:], kernel, strides, dilations, strict=True):
        total = max((math.ceil(side / stride) - 1) * stride + (width - 1) * dilation + 1 - side, 0)
        small, large = total // 2, total - total // 2
        starts.append(small if auto_pad == "SAME_UPPER" else large)
        ends.append(large if auto_pad == "SAME_UPPER" else small)
    return (*starts, *ends)
