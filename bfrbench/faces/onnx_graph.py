"""An ONNX file as a torch network, for devices on which onnxruntime does not run without a package of its own.

It reads the operators in `onnx_operators`, which are those of recognition networks in the ArcFace convention and of
PFLD, and nothing else: what it does not know is an error with the name of what it met, and never a guess.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from bfrbench.devices import is_of_device
from bfrbench.errors import UsageError, WeightsError
from bfrbench.faces.onnx_operators import OPERATORS, Operator, Unsupported, from_array
from bfrbench.precision import exact_float32

_OPSETS = range(7, 23)
"""Broadcasting was another before 7; later than 22 nobody looked for what changed."""

_NO_DEVICE = ("invalid device ordinal", "no CUDA-capable device")


class Port(NamedTuple):
    """An input or output: its name and shape, as onnxruntime tells them."""

    name: str
    shape: list[int | str]


class _Node(NamedTuple):
    label: str
    operator: Operator
    inputs: tuple[str, ...]
    output: str
    keeps_batch: bool
    last: tuple[str, ...]
    """Values that nothing needs after this node."""


class OnnxGraph(nn.Module):
    """The network of one file: float32, its weights as buffers, its nodes one after another.

    It takes a batch of any size, whatever size the file declares. Published files often end in a Reshape to [1, …],
    which flattens a batch into one row: where the first axis of what is reshaped counts the batch, it is kept. With a
    batch of one that is what the file says to the letter; with more, whether it is right depends on the rest of the
    graph, so compare a batch with its images one by one before you rely on it.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path
        graph = self._open()
        self._fixed: dict[str, Tensor] = {}
        for tensor in graph.initializer:
            self._fixed[tensor.name] = self._constant(tensor)
        inputs = [value for value in graph.input if value.name not in self._fixed]
        if len(inputs) != 1 or inputs[0].type.tensor_type.elem_type != 1:
            raise self._refusal(f"{len(inputs)} inputs, or one that is not float32")
        self.input = _port(inputs[0])
        self.outputs = [_port(value) for value in graph.output]
        self._nodes = self._ordered(graph.node)
        self._store_weights()

    def forward(self, x: Tensor) -> list[Tensor]:
        """Every output of the file for one batch."""
        values = {self.input.name: x}
        for node in self._nodes:
            values[node.output] = self._run(node, [self._value(name, values) for name in node.inputs], len(x))
            for name in node.last:
                values.pop(name, None)
        return [value for port in self.outputs if (value := self._value(port.name, values)) is not None]

    def _value(self, name: str, values: Mapping[str, Tensor]) -> Tensor | None:
        if name in values:
            return values[name]
        if name in self._buffer_of:
            return self.get_buffer(self._buffer_of[name])
        return self._fixed[name] if name else None

    def _run(self, node: _Node, inputs: list[Any], batch: int) -> Tensor:
        if node.keeps_batch and inputs[0].shape[0] == batch:
            inputs[1] = torch.cat([torch.tensor([batch]), inputs[1][1:]])
        try:
            return node.operator(*inputs)
        except Unsupported as error:
            raise self._refusal(f"{node.label} with {error}") from error
        except (TypeError, RuntimeError, ValueError, IndexError) as error:
            if is_of_device(error):
                raise
            shapes = [list(value.shape) for value in inputs if value is not None]
            problem = f"{self._path}: {node.label} does not work on {shapes} ({error})"
            raise WeightsError(problem, "give the file that the card names") from error

    def _open(self) -> Any:
        import onnx

        try:
            model = onnx.load(str(self._path), load_external_data=False)
        except Exception as error:  # protobuf's own, and more
            problem = f"{self._path} is not an ONNX network ({error})"
            raise WeightsError(problem, "give the file that the card names") from error
        opsets = {opset.domain: opset.version for opset in model.opset_import if opset.domain in ("", "ai.onnx")}
        if not opsets or not set(opsets.values()) <= set(_OPSETS):
            raise self._refusal(f"opset {sorted(opsets.values())}, not {_OPSETS[0]} to {_OPSETS[-1]}")
        if not model.graph.output:
            raise WeightsError(f"{self._path} is not an ONNX network (it has no output)", "give the card's file")
        return model.graph

    def _constant(self, tensor: Any) -> Tensor:
        from onnx import TensorProto, numpy_helper

        if tensor.data_location == TensorProto.EXTERNAL:
            raise self._refusal("weights in another file")
        try:
            return from_array(numpy_helper.to_array(tensor))
        except Unsupported as error:
            raise self._refusal(str(error)) from error

    def _ordered(self, nodes: Sequence[Any]) -> list[_Node]:
        """What is to be run for each batch. What does not depend on the input is computed now, once."""
        self._buffer_of: dict[str, str] = {}
        known, kept = {self.input.name}, []
        for node in nodes:
            read = self._read(node)
            missing = [name for name in read.inputs if name and name not in known and name not in self._fixed]
            if missing:
                raise self._refusal(f"{read.label}, which reads {missing[0]!r} before anything made it")
            if known.isdisjoint(read.inputs):
                inputs = [self._fixed[name] if name else None for name in read.inputs]
                self._fixed[read.output] = self._run(read, inputs, batch=1)
            else:
                known.add(read.output)
                kept.append(read)
        for port in self.outputs:
            if port.name not in known:
                raise self._refusal(f"the output {port.name!r}, which does not depend on the input")
        return _with_last_uses(kept, {port.name for port in self.outputs})

    def _read(self, node: Any) -> _Node:
        label = f"operator {node.op_type}" + (f" ({node.name})" if node.name else "")
        if node.domain not in ("", "ai.onnx") or node.op_type not in OPERATORS:
            raise self._refusal(label + (f" of {node.domain}" if node.domain else ""))
        attributes = {attribute.name: self._attribute(attribute, label) for attribute in node.attribute}
        known = inspect.signature(OPERATORS[node.op_type]).parameters
        unknown = sorted(attributes.keys() - known)
        if unknown:
            raise self._refusal(f"attribute {unknown[0]!r} of {label}")
        try:
            operator = OPERATORS[node.op_type](**attributes)
        except Unsupported as error:
            raise self._refusal(f"{label} with {error}") from error
        except TypeError as error:
            raise self._refusal(f"{label}, which lacks an attribute ({error})") from error
        keeps = node.op_type == "Reshape" and self._to_one_row(node.input)
        return _Node(label, operator, tuple(node.input), node.output[0], keeps, ())

    def _to_one_row(self, inputs: Sequence[str]) -> bool:
        shape = self._fixed.get(inputs[1]) if len(inputs) == 2 else None
        return shape is not None and shape.ndim == 1 and len(shape) > 1 and int(shape[0]) == 1

    def _attribute(self, attribute: Any, label: str) -> Any:
        from onnx import TensorProto, helper, numpy_helper

        value = helper.get_attribute_value(attribute)
        if isinstance(value, TensorProto):
            if value.data_location == TensorProto.EXTERNAL:
                raise self._refusal(f"{label}, whose tensor is in another file")
            return numpy_helper.to_array(value)
        return value.decode() if isinstance(value, bytes) else value

    def _store_weights(self) -> None:
        """Floats become buffers, which move with the network; shapes and indices stay where they are."""
        used = {name for node in self._nodes for name in node.inputs}
        for name in sorted(used & self._fixed.keys()):
            if self._fixed[name].is_floating_point():
                self._buffer_of[name] = f"weight_{len(self._buffer_of)}"
                self.register_buffer(self._buffer_of[name], self._fixed[name])
        self._fixed = {name: self._fixed[name] for name in used & self._fixed.keys() - self._buffer_of.keys()}

    def _refusal(self, what: str) -> WeightsError:
        problem = f"{self._path} has {what}, which this reader of ONNX files does not compute"
        return WeightsError(problem, "run it on device cpu, where onnxruntime does, or give the card's file")


class TorchSession:
    """As much of an onnxruntime session as insightface and the landmarkers use, computed by torch.

    Always in float32, without TF32. The first axis of its input is named, not counted: it takes any batch.
    """

    def __init__(self, path: Path, device: str) -> None:
        graph = OnnxGraph(path)
        try:
            self._graph = graph.to(device).eval()
        except (RuntimeError, AssertionError) as error:  # a device that is unknown, or a torch without it
            if is_of_device(error) and not any(words in str(error) for words in _NO_DEVICE):
                raise
            reason = str(error).strip().partition("\n")[0]
            raise UsageError(f"torch has no device {device!r} here ({reason})", "choose one it has, or cpu") from error
        self._device = device

    def get_inputs(self) -> list[Port]:
        return [Port(self._graph.input.name, ["batch", *self._graph.input.shape[1:]])]

    def get_outputs(self) -> list[Port]:
        return self._graph.outputs

    def run(
        self, names: Iterable[str] | None, feeds: Mapping[str, npt.NDArray[np.float32]]
    ) -> list[npt.NDArray[np.float32]]:
        """The outputs of these names (None: all) for one batch."""
        pixels = torch.from_numpy(feeds[self._graph.input.name]).to(self._device)
        with torch.inference_mode(), exact_float32():
            found = [value.cpu().numpy() for value in self._graph(pixels)]
        by_name = {port.name: value for port, value in zip(self._graph.outputs, found, strict=True)}
        return found if names is None else [by_name[name] for name in names]


def _port(value: Any) -> Port:
    sides = value.type.tensor_type.shape.dim
    return Port(value.name, [side.dim_value if side.dim_value > 0 else side.dim_param for side in sides])


def _with_last_uses(nodes: list[_Node], outputs: set[str]) -> list[_Node]:
    last = {name: index for index, node in enumerate(nodes) for name in (node.output, *node.inputs)}
    done: list[list[str]] = [[] for _ in nodes]
    for name, index in last.items():
        if name not in outputs:
            done[index].append(name)
    return [node._replace(last=tuple(names)) for node, names in zip(nodes, done, strict=True)]
