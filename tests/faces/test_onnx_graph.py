"""ONNX files in torch give onnxruntime's numbers, take batches, and refuse by name what they do not know."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

from bfrbench.errors import UsageError, WeightsError
from bfrbench.faces import landmarks, networks, recognise
from bfrbench.faces.landmarks import Pfld
from bfrbench.faces.onnx_graph import OnnxGraph, TorchSession
from bfrbench.faces.recognise import InsightFace
from bfrbench.weights import WeightStore
from tests.shared_data import shared

Array = np.ndarray
Node = onnx.NodeProto
Lfw = list[tuple[Array, Array, float]]

WITHIN = 1e-4
"""The largest relative difference between torch and onnxruntime."""


def _write(
    path: Path,
    nodes: Sequence[Node],
    weights: dict[str, Array] | None = None,
    *,
    shape: Sequence[int | str] = ("n", 3, 112, 112),
    opset: int = 13,
) -> Path:
    """A file with one input x and one output y."""
    graph = helper.make_graph(
        nodes,
        "test",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(value, name) for name, value in (weights or {}).items()],
    )
    opsets = [helper.make_opsetid("", opset)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=8), path)
    return path


def _reference(path: Path, x: Array, *, one_by_one: bool = False) -> Array:
    session = onnxruntime.InferenceSession(str(path), networks.session_options(), providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    parts = [x[i : i + 1] for i in range(len(x))] if one_by_one else [x]
    return np.concatenate([session.run(None, {name: part})[0] for part in parts])


def _torch(path: Path, x: Array, device: str = "cpu") -> Array:
    session = TorchSession(path, device)
    return session.run(None, {session.get_inputs()[0].name: x})[0]


def _apart(ours: Array, theirs: Array) -> float:
    assert ours.shape == theirs.shape
    return float(np.linalg.norm(ours - theirs) / np.linalg.norm(theirs))


def _noise(*shape: int) -> Array:
    return np.random.default_rng(0).normal(size=shape).astype(np.float32)


def _small_iresnet(path: Path, end: str = "Flatten", batch: int | str = "n") -> Path:
    """What insightface publishes, with fewer layers: a residual block and the end of the network."""
    rng = np.random.default_rng(0)
    weights: dict[str, Array] = {}
    nodes: list[Node] = []

    def put(kind: str, x: str, *arrays: Array, **attributes: Any) -> str:
        names = [f"w{len(weights) + i}" for i in range(len(arrays))]
        weights.update(zip(names, arrays, strict=True))
        nodes.append(helper.make_node(kind, [x, *names], [f"v{len(nodes)}"], name=f"{kind}_{len(nodes)}", **attributes))
        return f"v{len(nodes) - 1}"

    def normal(*shape: int) -> Array:
        return (rng.normal(size=shape) / np.sqrt(np.prod(shape[1:]) or 1)).astype(np.float32)

    def norm(x: str, width: int) -> str:
        spread = rng.uniform(0.5, 1.5, width).astype(np.float32)
        return put("BatchNormalization", x, spread, normal(width), normal(width), spread, epsilon=2e-5)

    def conv(x: str, given: int, width: int, stride: int) -> str:
        kernel, bias = normal(width, given, 3, 3), normal(width)
        return put("Conv", x, kernel, bias, kernel_shape=[3, 3], pads=[1, 1, 1, 1], strides=[stride, stride])

    def prelu(x: str, width: int) -> str:
        return put("PRelu", x, rng.uniform(0, 0.5, (width, 1, 1)).astype(np.float32))

    stem = prelu(conv("x", 3, 8, 2), 8)
    inner = conv(prelu(conv(norm(stem, 8), 8, 16, 1), 16), 16, 16, 2)
    beside = put("Conv", stem, normal(16, 8, 1, 1), normal(16), kernel_shape=[1, 1], strides=[2, 2])
    nodes.append(helper.make_node("Add", [inner, beside], ["sum"]))
    last = norm(conv("sum", 16, 4, 4), 4)
    flat = put("Flatten", last) if end == "Flatten" else put("Reshape", last, np.array([1, -1], np.int64))
    norm(put("Gemm", flat, normal(32, 4 * 7 * 7), normal(32), transB=1), 32)
    nodes[-1].output[0] = "y"
    return _write(path, nodes, weights, shape=(batch, 3, 112, 112))


@pytest.fixture
def crops(store: WeightStore, lfw: Lfw) -> list[Array]:
    engine = InsightFace("mobilefacenet-arcface", store.path("mobilefacenet-arcface"))
    return [engine.crop(image, points) for image, points, _ in lfw[:16]]


def _pixels(crops: Sequence[Array]) -> Array:
    return np.ascontiguousarray(np.stack(crops).transpose(0, 3, 1, 2), np.float32)


@pytest.mark.parametrize(
    ("file", "mean", "deviation"),
    [("mobilefacenet_arcface.onnx", 127.5, 127.5), ("mobilefacenet.onnx", 127.5, 127.5), ("pfld_68.onnx", 0, 255)],
)
def test_real_networks_give_onnxruntimes_numbers_on_real_faces(
    crops: list[Array], file: str, mean: float, deviation: float
) -> None:
    path = shared("weights", file)
    x = (_pixels(crops) - np.float32(mean)) / np.float32(deviation)
    assert _apart(_torch(path, x), _reference(path, x, one_by_one=True)) <= WITHIN


@pytest.mark.parametrize(("end", "batch"), [("Flatten", "n"), ("Flatten", 1), ("Reshape", "n"), ("Reshape", 1)])
def test_a_network_like_insightfaces_takes_a_batch_however_it_ends(tmp_path: Path, end: str, batch: int | str) -> None:
    path = _small_iresnet(tmp_path / "small.onnx", end, batch)
    x = _noise(5, 3, 112, 112)
    assert _apart(_torch(path, x), _reference(path, x, one_by_one=True)) <= WITHIN


def _in_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    """Engines take their road through torch, which the CPU never takes by itself."""
    monkeypatch.setattr(recognise, "arcface_model", networks.arcface_in_torch)
    monkeypatch.setattr(landmarks, "onnx_session", TorchSession)


def test_recognition_in_torch_prepares_and_embeds_as_insightface_does(
    store: WeightStore, crops: list[Array], monkeypatch: pytest.MonkeyPatch
) -> None:
    for path in (store.path("mobilefacenet-arcface"), shared("weights", "mobilefacenet.onnx")):
        theirs = InsightFace("reference", path).embed(crops)
        with monkeypatch.context() as patch:
            _in_torch(patch)
            engine = InsightFace("torch", path)
        assert engine._batch > 1
        assert _apart(engine.embed(crops), theirs) <= WITHIN


def test_a_file_that_prepares_its_own_pixels_is_given_them_as_they_are(
    tmp_path: Path, crops: list[Array], monkeypatch: pytest.MonkeyPatch
) -> None:
    nodes = [
        helper.make_node("Sub", ["x", "mean"], ["a"], name="_minusscalar0"),
        helper.make_node("Mul", ["a", "scale"], ["b"], name="_mulscalar0"),
        helper.make_node("Conv", ["b", "kernel"], ["c"], strides=[28, 28]),
        helper.make_node("Flatten", ["c"], ["y"]),
    ]
    mean, scale = np.array([127.5], np.float32), np.array([1 / 128], np.float32)
    path = _write(tmp_path / "own.onnx", nodes, {"mean": mean, "scale": scale, "kernel": _noise(4, 3, 28, 28)})
    theirs = InsightFace("reference", path).embed(crops)
    _in_torch(monkeypatch)
    engine = InsightFace("torch", path)
    assert engine._model.input_mean == 0
    assert _apart(engine.embed(crops), theirs) <= WITHIN


def test_landmarks_in_torch_lie_where_onnxruntime_puts_them(
    store: WeightStore, portraits: list[Array], monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs = Pfld("reference", store.path("pfld-68"))(portraits)
    _in_torch(monkeypatch)
    ours = Pfld("torch", store.path("pfld-68"))(portraits)
    assert _apart(np.stack(ours), np.stack(theirs)) <= WITHIN


def test_a_graph_that_mixes_a_batch_up_is_run_one_by_one(
    tmp_path: Path, crops: list[Array], monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = [
        helper.make_node("Transpose", ["x"], ["a"], perm=[1, 0, 2, 3]),
        helper.make_node("Reshape", ["a", "row"], ["b"]),
        helper.make_node("Gemm", ["b", "weight"], ["y"]),
    ]
    weights = {"row": np.array([1, -1]), "weight": _noise(3 * 112 * 112, 8)}
    path = _write(tmp_path / "mixed.onnx", wrong, weights, shape=(1, 3, 112, 112))
    theirs = InsightFace("reference", path).embed(crops)
    _in_torch(monkeypatch)
    engine = InsightFace("torch", path)
    assert engine._batch == 1
    assert _apart(engine.embed(crops), theirs) <= WITHIN


I64 = np.int64
OPERATORS: list[tuple[int, str, dict[str, Any], list[Array]]] = [
    (13, "Conv", {"group": 2, "dilations": [2, 1], "pads": [0, 1, 2, 3]}, [_noise(6, 2, 3, 3), _noise(6)]),
    (13, "Conv", {"auto_pad": "SAME_UPPER", "strides": [2, 2]}, [_noise(2, 4, 3, 3)]),
    (13, "Conv", {"auto_pad": "SAME_LOWER", "strides": [3, 2]}, [_noise(2, 4, 4, 4)]),
    (13, "Conv", {"auto_pad": "VALID"}, [_noise(2, 4, 3, 3)]),
    (13, "MaxPool", {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 1, 2, 2]}, []),
    (13, "MaxPool", {"kernel_shape": [2, 2], "strides": [2, 2], "auto_pad": "SAME_LOWER"}, []),
    (13, "AveragePool", {"kernel_shape": [3, 3], "pads": [1, 0, 1, 1]}, []),
    (13, "AveragePool", {"kernel_shape": [3, 3], "pads": [1, 0, 1, 1], "count_include_pad": 1}, []),
    (13, "AveragePool", {"kernel_shape": [2, 3], "strides": [2, 2]}, []),
    (13, "GlobalAveragePool", {}, []),
    (7, "BatchNormalization", {"epsilon": 0.1}, [_noise(4), _noise(4), _noise(4), np.abs(_noise(4))]),
    (7, "PRelu", {}, [_noise(4, 1, 1)]),
    (9, "Clip", {"min": -0.5, "max": 0.25}, []),
    (13, "Clip", {}, [np.float32(-0.5)]),
    (13, "Relu", {}, []),
    (13, "Sigmoid", {}, []),
    (13, "Sub", {}, [_noise(4, 1, 1)]),
    (13, "Div", {}, [_noise(1)]),
    (13, "MatMul", {}, [_noise(7, 3)]),
    (13, "Flatten", {"axis": -2}, []),
    (13, "Reshape", {}, [np.array([0, 2, -1, 7], I64)]),
    (13, "Transpose", {}, []),
    (13, "Transpose", {"perm": [0, 2, 3, 1]}, []),
    (11, "Unsqueeze", {"axes": [0, -1]}, []),
    (13, "Unsqueeze", {}, [np.array([2], I64)]),
    (13, "ReduceMean", {"axes": [2, -1], "keepdims": 0}, []),
    (18, "ReduceMean", {}, [np.array([1], I64)]),
    (13, "ReduceL2", {"axes": [1]}, []),
    (13, "LpNormalization", {"axis": 1}, []),
    (13, "LpNormalization", {"axis": 1, "p": 1}, []),
    (13, "Gather", {"axis": 1}, [np.array([[2, -1], [0, 0]], I64)]),
    (13, "Gather", {"axis": 2}, [np.array(1, I64)]),
    (13, "Expand", {}, [np.array([2, 1, 1, 1, 1], I64)]),
    (10, "Pad", {"pads": [0, 0, 1, 2, 0, 1, 3, 0], "value": 2.0}, []),
    (13, "Pad", {}, [np.array([0, 0, 1, 2, 0, 0, -1, 0], I64), np.float32(3)]),
    (13, "Dropout", {}, []),
    (13, "Identity", {}, []),
]


@pytest.mark.parametrize(("opset", "kind", "attributes", "arrays"), OPERATORS)
def test_each_operator_is_onnxruntimes(
    tmp_path: Path, opset: int, kind: str, attributes: dict[str, Any], arrays: list[Array]
) -> None:
    names = [f"w{i}" for i in range(len(arrays))]
    node = helper.make_node(kind, ["x", *names], ["y"], **attributes)
    weights = dict(zip(names, map(np.asarray, arrays), strict=True))
    path = _write(tmp_path / "one.onnx", [node], weights, shape=(2, 4, 9, 7), opset=opset)
    x = _noise(2, 4, 9, 7)
    assert _apart(_torch(path, x), _reference(path, x)) <= 1e-6


def test_shapes_that_a_graph_computes_are_computed(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Shape", ["x"], ["s"]),
        helper.make_node("Constant", [], ["i"], value_int=0),
        helper.make_node("Gather", ["s", "i"], ["n"]),
        helper.make_node("Unsqueeze", ["n", "zero"], ["n1"]),
        helper.make_node("Squeeze", ["n1", "zero"], ["n0"]),
        helper.make_node("Cast", ["n0"], ["f"], to=TensorProto.FLOAT),
        helper.make_node("Cast", ["f"], ["back"], to=TensorProto.INT64),
        helper.make_node("Mul", ["back", "three"], ["m"]),
        helper.make_node("Div", ["m", "two"], ["d"]),
        helper.make_node("Unsqueeze", ["d", "zero"], ["d1"]),
        helper.make_node("Concat", ["d1", "rest"], ["shape"], axis=0),
        helper.make_node("Reshape", ["x", "shape"], ["r"]),
        helper.make_node("Gemm", ["r", "w"], ["y"], alpha=0.5, transA=1),
    ]
    constants = {"zero": [0], "three": 3, "two": 2, "rest": [-1]}
    weights = {name: np.array(value, I64) for name, value in constants.items()}
    path = _write(tmp_path / "shapes.onnx", nodes, {**weights, "w": _noise(6, 5)}, shape=("n", 3, 2, 2))
    x = _noise(4, 3, 2, 2)
    assert _apart(_torch(path, x), _reference(path, x)) <= 1e-6


@pytest.mark.parametrize(
    ("node", "what"),
    [
        (helper.make_node("HardSwish", ["x"], ["y"], name="act"), r"operator HardSwish \(act\)"),
        (helper.make_node("Relu", ["x"], ["y"], domain="com.example"), "operator Relu of com.example"),
        (helper.make_node("Relu", ["x"], ["y"], slope=0.1), "attribute 'slope' of operator Relu"),
        (helper.make_node("MaxPool", ["x"], ["y"], kernel_shape=[2, 2], ceil_mode=1), "ceil_mode 1"),
        (helper.make_node("MaxPool", ["x"], ["y"]), "lacks an attribute .*kernel_shape"),
        (helper.make_node("Conv", ["x", "w"], ["y"], kernel_shape=[3]), "other than two axes"),
        (helper.make_node("Pad", ["x"], ["y"], mode="reflect"), "mode 'reflect'"),
        (helper.make_node("Cast", ["x"], ["y"], to=TensorProto.FLOAT16), "to 10"),
        (helper.make_node("Add", ["x", "nothing"], ["y"]), "'nothing' before anything made it"),
        (helper.make_node("Relu", ["x"], ["z"]), "output 'y'"),
    ],
)
def test_what_is_not_known_is_named(tmp_path: Path, node: Node, what: str) -> None:
    path = _write(tmp_path / "odd.onnx", [node], {"w": _noise(2, 3, 3, 3)})
    with pytest.raises(WeightsError, match=what):
        OnnxGraph(path)


def test_other_precisions_opsets_and_files_are_refused(tmp_path: Path, store: WeightStore) -> None:
    relu = helper.make_node("Add", ["x", "w"], ["y"])
    with pytest.raises(WeightsError, match="constants of type float16"):
        OnnxGraph(_write(tmp_path / "half.onnx", [relu], {"w": np.ones(1, np.float16)}))
    with pytest.raises(WeightsError, match=r"opset \[6\]"):
        OnnxGraph(_write(tmp_path / "old.onnx", [relu], {"w": np.ones(1, np.float32)}, opset=6))
    with pytest.raises(WeightsError, match="is not an ONNX network"):
        OnnxGraph(store.path("pose-3ddfa-mb05"))
    with pytest.raises(WeightsError, match="operator Resize"):
        networks.arcface_in_torch(store.path("yunet"), "cpu")
    with pytest.raises(WeightsError, match=r"not \[3, 112, 112\]"):
        networks.arcface_in_torch(_write(tmp_path / "wide.onnx", [relu], {"w": _noise(1)}, shape=(1, 3, 96, 96)), "cpu")
    with pytest.raises(WeightsError, match="does not work on"):
        _torch(_write(tmp_path / "bad.onnx", [relu], {"w": _noise(5)}), _noise(1, 3, 4, 4))


def test_a_device_that_torch_does_not_have_is_a_sentence(store: WeightStore) -> None:
    for device in ["tpu9", *([] if torch.cuda.is_available() else ["cuda"])]:
        with pytest.raises(UsageError, match=f"no device '{device}'"):
            InsightFace("nowhere", store.path("mobilefacenet-arcface"), device)
        with pytest.raises(UsageError, match=f"no device '{device}'"):
            Pfld("nowhere", store.path("pfld-68"), device)


OF_THE_DEVICE = [
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"),
    torch.AcceleratorError("CUDA error: an illegal memory access was encountered"),
    RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
]


def _raising(error: Exception) -> Any:
    def raises(*_: object, **__: object) -> None:
        raise error

    return raises


@pytest.mark.parametrize("error", OF_THE_DEVICE)
def test_what_a_device_does_is_not_blamed_on_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    path = _write(tmp_path / "one.onnx", [helper.make_node("Relu", ["x"], ["y"])])
    monkeypatch.setattr(torch.nn.functional, "relu", _raising(error))
    with pytest.raises(type(error)) as caught:
        _torch(path, _noise(1, 3, 4, 4))
    assert caught.value is error


def test_a_device_that_fails_at_a_batch_does_not_make_it_a_batch_of_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compute = torch.addmm

    def addmm(bias: torch.Tensor, a: torch.Tensor, *rest: torch.Tensor, **how: float) -> torch.Tensor:
        if len(a) > 1:
            raise OF_THE_DEVICE[-1]
        return compute(bias, a, *rest, **how)

    _in_torch(monkeypatch)
    monkeypatch.setattr(torch, "addmm", addmm)
    with pytest.raises(RuntimeError, match="ALLOC_FAILED"):
        InsightFace("full", _small_iresnet(tmp_path / "small.onnx"))


@pytest.mark.parametrize("error", OF_THE_DEVICE)
def test_a_device_without_room_for_the_weights_is_not_called_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    path = _write(tmp_path / "one.onnx", [helper.make_node("Relu", ["x"], ["y"])])
    monkeypatch.setattr(OnnxGraph, "to", _raising(error))
    with pytest.raises(type(error)) as caught:
        TorchSession(path, "cuda")
    assert caught.value is error


def test_a_gpu_of_a_number_that_is_not_there_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = _write(tmp_path / "one.onnx", [helper.make_node("Relu", ["x"], ["y"])])
    monkeypatch.setattr(OnnxGraph, "to", _raising(torch.AcceleratorError("CUDA error: invalid device ordinal")))
    with pytest.raises(UsageError, match="no device 'cuda:9'"):
        TorchSession(path, "cuda:9")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA here")
def test_cuda_gives_the_cpus_numbers(store: WeightStore, crops: list[Array], portraits: list[Array]) -> None:
    path = store.path("mobilefacenet-arcface")
    on_cuda, on_cpu = InsightFace("cuda", path, "cuda"), InsightFace("cpu", path)
    assert on_cuda._batch > 1
    assert _apart(on_cuda.embed(crops), on_cpu.embed(crops)) <= WITHIN
    landmarkers = [Pfld("pfld-68", store.path("pfld-68"), device) for device in ("cuda", "cpu")]
    found = [np.stack(landmarker(portraits)) for landmarker in landmarkers]
    assert _apart(*found) <= WITHIN


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA here")
def test_a_network_like_insightfaces_is_the_same_on_cuda(tmp_path: Path) -> None:
    path = _small_iresnet(tmp_path / "small.onnx")
    x = _noise(5, 3, 112, 112)
    assert _apart(_torch(path, x, "cuda"), _reference(path, x)) <= WITHIN
