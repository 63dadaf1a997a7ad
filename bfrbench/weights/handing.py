"""Networks of other people's libraries, built from verified files of the store: none of them fetches anything.

facexlib's and insightface's networks are built in `bfrbench.faces`, from the same store.
"""

from __future__ import annotations

import importlib.util
import sys
import threading
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from bfrbench.errors import UnknownName, WeightsError
from bfrbench.weights.reading import load_state_dict
from bfrbench.weights.sealing import sealed
from bfrbench.weights.store import WeightStore

if TYPE_CHECKING:
    from torch import Tensor, nn

Trunk: TypeAlias = Literal["alex", "vgg", "squeeze"]
LPIPS_CARDS: Mapping[Trunk, tuple[str, str]] = {
    "alex": ("alexnet", "lpips-alex"),
    "vgg": ("vgg16", "lpips-vgg"),
    "squeeze": ("squeezenet1.1", "lpips-squeeze"),
}
"""The weight cards of trunk and heads."""
_lending = threading.Lock()


def lpips_network(trunk: Trunk, store: WeightStore | None = None) -> nn.Module:
    """The `lpips` package's distance, v0.1: takes two N×3×H×W in [-1, 1], gives N×1×1×1."""
    import lpips

    store = store or WeightStore()
    body, heads = (load_state_dict(store.path(card)) for card in LPIPS_CARDS[trunk])
    with sealed("lpips"), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torchvision's, of the old way in which lpips asks for its trunk
        network: nn.Module = lpips.LPIPS(net=trunk, pretrained=False, pnet_rand=True, verbose=False)
    kept = {name: own for name, own in network.state_dict().items() if name.startswith("scaling_layer.")}
    slices = [name for name in network.state_dict() if name.startswith("net.slice")]
    lines = [name for name in network.state_dict() if name.startswith("lin")]
    read = {name: body.get(f"features.{name.split('.', 2)[2]}") for name in slices}
    read |= {name: heads.get(name.replace("lins.", "lin", 1)) for name in lines}
    tensors = kept | {name: tensor for name, tensor in read.items() if tensor is not None}
    return _filled(network, tensors, store.path(LPIPS_CARDS[trunk][0]))


def inception_network(store: WeightStore | None = None, *, dtype: Literal["float32", "float64"] = "float32") -> Any:
    """torch-fidelity's Inception of 2015: takes N×3×H×W uint8, gives a tuple with the N×2048 pooled features."""
    path = (store or WeightStore()).path("inception-fid")
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

    with sealed("torch-fidelity"):
        return FeatureExtractorInceptionV3(
            "inception-v3-compat",
            ["2048"],
            feature_extractor_weights_path=str(path),
            feature_extractor_internal_dtype=dtype,
        )


def pyiqa_network(name: str, store: WeightStore | None = None, device: str = "cpu") -> nn.Module:
    """One of pyiqa's metrics: takes N×3×H×W in [0, 1]. topiq_nr-face expects faces that are aligned already."""
    from pyiqa.default_model_configs import DEFAULT_CONFIGS

    if name not in DEFAULT_CONFIGS:
        raise UnknownName("metric of pyiqa", name, DEFAULT_CONFIGS)
    store = store or WeightStore()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        metric: nn.Module = PYIQA[name](store) if name in PYIQA else _pyiqa(name)
    return metric.to(device)


def _pyiqa(name: str, **options: Any) -> Any:
    """pyiqa's metric as it comes; under the seal, so that one which needs a file that was not given is an error."""
    import pyiqa

    with sealed(f"pyiqa's {name}"):
        return pyiqa.create_metric(name, device="cpu", **options)


def _niqe(store: WeightStore) -> Any:
    return _pyiqa("niqe", pretrained_model_path=str(store.path("niqe-mat")))


def _musiq(store: WeightStore) -> Any:
    return _pyiqa("musiq", pretrained_model_path=str(store.path("musiq-koniq")))


def _maniqa(store: WeightStore) -> Any:
    """pyiqa always fetches the trunk from elsewhere first, although the published file holds it too."""
    import timm
    from pyiqa.archs import maniqa_arch

    path = store.path("maniqa-koniq")
    untrained = SimpleNamespace(create_model=lambda name, pretrained: timm.create_model(name, pretrained=False))
    with _lent(maniqa_arch, "timm", untrained):
        metric = _pyiqa("maniqa", pretrained=False)
    _filled(metric.net, load_state_dict(path), path)
    return metric


def _clipiqa(store: WeightStore) -> Any:
    """pyiqa opens its trunk as a TorchScript program, or not at all; the table of tensors goes to its builder."""
    _import_clip()
    from pyiqa.archs import clip_model, clipiqa_arch

    tensors = load_state_dict(store.path("clipiqa-rn50"))
    with _lent(clipiqa_arch, "load", lambda name, device: clip_model.build_model(tensors).float()):
        return _pyiqa("clipiqa")


@contextmanager
def _lent(module: Any, name: str, value: Any) -> Iterator[None]:
    """Let a module of pyiqa find `value` under a name that it looks up while it builds one network."""
    with _lending:
        kept = getattr(module, name)
        setattr(module, name, value)
        try:
            yield
        finally:
            setattr(module, name, kept)


def _import_clip() -> None:
    """openai-clip takes `packaging` out of pkg_resources, which setuptools dropped; lend it the name for its import."""
    if importlib.util.find_spec("pkg_resources") is not None or "clip" in sys.modules:
        return
    import packaging.version

    lent = ModuleType("pkg_resources")
    lent.packaging = packaging  # type: ignore[attr-defined]
    sys.modules["pkg_resources"] = lent
    try:
        importlib.import_module("clip")
    finally:
        del sys.modules["pkg_resources"]


def _topiq_face(store: WeightStore) -> Any:
    """Another model name than pyiqa's own keeps it from building a face detector, which aligned faces do not need."""
    path = store.path("topiq-nr-face")
    metric = _pyiqa("topiq_nr-face", model_name="aligned", pretrained=False, backbone_pretrain=False)
    _filled(metric.net, load_state_dict(path, key="params"), path)
    return metric


PYIQA: Mapping[str, Callable[[WeightStore], Any]] = {
    "niqe": _niqe,
    "musiq": _musiq,
    "maniqa": _maniqa,
    "clipiqa": _clipiqa,
    "topiq_nr-face": _topiq_face,
}
"""pyiqa's names of the metrics whose files the store has; any other works only if it needs none."""


def _filled(network: nn.Module, tensors: dict[str, Tensor], path: Path) -> nn.Module:
    try:
        network.load_state_dict(tensors, strict=True)
    except RuntimeError as error:
        problem = f"{path} is not a {type(network).__name__} ({' '.join(str(error).split())[:300]})"
        raise WeightsError(problem, "give the file that the card names") from error
    return network.eval().requires_grad_(False)
