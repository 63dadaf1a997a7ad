"""Files that nobody publishes as they are needed, made from a published one, always to the same bytes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bfrbench.errors import WeightsError

_MEAN = (0.485, 0.456, 0.406)
_DEVIATION = (0.229, 0.224, 0.225)
"""ImageNet's, as torchvision gives them."""


def make(way: str, source: Path, target: Path) -> None:
    """Make `target` from `source`; the caller checks its digest."""
    try:
        _WAYS[way](source, target)
    except OSError:
        raise
    except Exception as error:
        problem = f"{source.name} cannot be made into a weight file by {way} ({type(error).__name__}: {error})"
        raise WeightsError(problem, "fetch it again") from error


def fold_imagenet_normalisation(source: Path, target: Path) -> None:
    """Let an ONNX face network that wants ImageNet's mean and deviation take ArcFace's (x - 127.5) / 127.5.

    A 1×1 convolution per channel goes before the first layer, and the batch becomes free.
    """
    import numpy as np
    import onnx
    from onnx import helper, numpy_helper

    model: Any = onnx.load(source)
    graph = model.graph
    name = graph.input[0].name
    for node in graph.node:
        for index, entry in enumerate(node.input):
            if entry == name:
                node.input[index] = "folded_input"
    mean, deviation = np.array(_MEAN, np.float32), np.array(_DEVIATION, np.float32)
    weight, bias = np.float32(0.5) / deviation, (np.float32(0.5) - mean) / deviation
    names = [name, "fold_w", "fold_b"]
    fold = helper.make_node("Conv", names, ["folded_input"], name="fold_normalisation", group=3, kernel_shape=[1, 1])
    graph.node.insert(0, fold)
    graph.initializer.append(numpy_helper.from_array(weight.reshape(3, 1, 1, 1), "fold_w"))
    graph.initializer.append(numpy_helper.from_array(bias, "fold_b"))
    for port in (graph.input[0], graph.output[0]):
        batch = port.type.tensor_type.shape.dim[0]
        batch.Clear()
        batch.dim_param = "batch"
    target.write_bytes(model.SerializeToString())


_WAYS = {"fold-imagenet-normalisation": fold_imagenet_normalisation}
