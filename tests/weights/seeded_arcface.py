"""A small residual network with seeded numbers behind the interface of insightface's published ArcFace files.

As in `w600k_r50.onnx`: `input.1` is N×3×112×112 with a free batch, the one output is declared 1×512 whatever the
batch, and no node at the start takes off a mean, so that insightface does (127.5, 127.5).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

_WIDTH, _SIDE, _EMBEDDING = 16, 14, 512


def write_arcface(path: Path) -> None:
    """Three strided convolutions, one residual block, and an embedding by a dense layer."""
    stream = np.random.default_rng(0)
    tensors: dict[str, np.ndarray] = {}
    nodes = []

    def seeded(name: str, *shape: int, inputs: int = 1) -> str:
        tensors[name] = (stream.standard_normal(shape) / inputs**0.5).astype(np.float32)
        return name

    def node(kind: str, *inputs: str, **attributes: object) -> str:
        name = f"{kind}_{len(nodes)}"
        nodes.append(helper.make_node(kind, inputs, [f"{name}_out"], name=name, **attributes))
        return f"{name}_out"

    def layer(x: str, channels: int, stride: int) -> str:
        at = len(nodes)
        weights = seeded(f"w{at}", _WIDTH, channels, 3, 3, inputs=9 * channels)
        x = node("Conv", x, weights, seeded(f"b{at}", _WIDTH, inputs=10_000), strides=[stride] * 2, pads=[1] * 4)
        tensors[f"s{at}"] = np.full((_WIDTH, 1, 1), 0.25, np.float32)
        return node("PRelu", x, f"s{at}")

    x = layer("input.1", 3, 2)
    x = layer(x, _WIDTH, 2)
    x = layer(x, _WIDTH, 2)
    x = node("Add", x, layer(layer(x, _WIDTH, 1), _WIDTH, 1))
    x = node("Flatten", x)
    flat = _WIDTH * _SIDE**2
    node("Gemm", x, seeded("w", _EMBEDDING, flat, inputs=flat), seeded("b", _EMBEDDING, inputs=10_000), transB=1)
    nodes[-1].output[0] = "683"
    graph = helper.make_graph(
        nodes,
        "arcface",
        [helper.make_tensor_value_info("input.1", TensorProto.FLOAT, ["None", 3, 112, 112])],
        [helper.make_tensor_value_info("683", TensorProto.FLOAT, [1, _EMBEDDING])],
        [numpy_helper.from_array(value, name) for name, value in tensors.items()],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 11)], ir_version=6), path)
