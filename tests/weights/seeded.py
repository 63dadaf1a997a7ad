"""Stores whose networks have seeded random numbers, for those whose published files cannot be had here.

Parity and loading need no trained numbers. The cards are the shipped ones, with the digests of the random files.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch

from bfrbench.plugins import PluginHost
from bfrbench.weights import WeightStore
from bfrbench.weights.card import shipped_cards
from tests.weights.seeded_arcface import write_arcface


def _torchvision(name: str, **options: Any) -> torch.nn.Module:
    import torchvision

    network: torch.nn.Module = getattr(torchvision.models, name)(weights=None, **options)
    return network


def _musiq() -> torch.nn.Module:
    from pyiqa.archs.musiq_arch import MUSIQ

    return MUSIQ(pretrained=False)


def _maniqa() -> torch.nn.Module:
    import timm
    from pyiqa.archs import maniqa_arch

    real, maniqa_arch.timm = maniqa_arch.timm, SimpleNamespace(create_model=lambda name, **_: timm.create_model(name))
    try:
        return maniqa_arch.MANIQA(pretrained=False)
    finally:
        maniqa_arch.timm = real


def _topiq() -> torch.nn.Module:
    from pyiqa.archs.topiq_arch import CFANet

    options = {"use_ref": False, "test_img_size": 512, "pretrained": False, "backbone_pretrain": False}
    return CFANet("resnet50", model_name="aligned", **options)


def _clip() -> torch.nn.Module:
    from bfrbench.weights.handing import _import_clip

    _import_clip()
    from pyiqa.archs.clip_model import CLIP

    return CLIP(1024, 224, (3, 4, 6, 3), 64, None, 77, 49408, 512, 8, 12)


MAKERS: dict[str, Callable[[], torch.nn.Module]] = {
    "alexnet": lambda: _torchvision("alexnet"),
    "squeezenet1.1": lambda: _torchvision("squeezenet1_1"),
    "vgg16": lambda: _torchvision("vgg16"),
    "inception-fid": lambda: _torchvision("inception_v3", aux_logits=False, num_classes=1008, init_weights=False),
    "musiq-koniq": _musiq,
    "maniqa-koniq": _maniqa,
    "topiq-nr-face": _topiq,
    "clipiqa-rn50": _clip,
}


def numbers(network: torch.nn.Module) -> dict[str, torch.Tensor]:
    """Seeded numbers for every tensor of a network, at sizes that keep its activations finite."""
    generator = torch.Generator().manual_seed(0)
    found = {}
    for name, tensor in network.state_dict().items():
        value = torch.randn(tensor.shape, generator=generator)
        if not tensor.is_floating_point():
            found[name] = torch.zeros(tensor.shape, dtype=tensor.dtype)
        elif name.endswith("running_var"):
            found[name] = 1 + value.abs() / 10
        elif tensor.ndim >= 2:
            found[name] = value / max(tensor[0].numel(), 1) ** 0.5
        else:
            found[name] = value / 10 + (1.0 if name.endswith("weight") else 0.0)
    return found


def seeded_store(home: Path, *names: str) -> WeightStore:
    """An offline store with seeded random files under these names; every other card is the shipped one."""
    cards = dict(shipped_cards())
    for name in names:
        place = home / "weights" / name / cards[name].file
        place.parent.mkdir(parents=True, exist_ok=True)
        _write(name, place)
        facts = {"sha256": hashlib.sha256(place.read_bytes()).hexdigest(), "sha256_prefix": None}
        cards[name] = cards[name].model_copy(update=facts | {"size": place.stat().st_size})
    return WeightStore(home, offline=True, cards=cards, host=PluginHost(installed=False))


def _write(name: str, place: Path) -> None:
    if place.suffix == ".onnx":
        write_arcface(place)
        return
    with torch.device("cpu" if name == "maniqa-koniq" else "meta"):  # MANIQA reads its numbers as it is built
        network = MAKERS[name]()
    tensors = numbers(network)
    if place.suffix == ".safetensors":
        from safetensors.torch import save_file

        save_file({key: value for key, value in tensors.items() if value.is_floating_point()}, place)
    else:
        torch.save({"params": tensors} if name == "topiq-nr-face" else tensors, place)
