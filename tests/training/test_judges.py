"""Perceptual losses: features of known trunks, LPIPS as it is, and never a random trunk."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import torchvision.models

from bfrbench.errors import UnknownName, UsageError, WeightsError
from bfrbench.training.judges import Perceptual
from bfrbench.weights import WeightStore
from tests.weights.seeded import numbers, seeded_store

CPU = torch.device("cpu")


def pair() -> tuple[torch.Tensor, torch.Tensor]:
    torch.manual_seed(3)
    return torch.rand(2, 3, 64, 64) * 2 - 1, torch.rand(2, 3, 64, 64) * 2 - 1


def test_features_are_those_of_torchvision_at_the_layers_of_lpips(tmp_path: Path) -> None:
    name, layers = "squeezenet1.1", (1, 4, 7, 9, 10, 11, 12)
    judge = Perceptual(name, CPU, seeded_store(tmp_path, name))
    assert judge.cards == (name,)
    whole = torchvision.models.squeezenet1_1(weights=None)
    whole.load_state_dict(numbers(whole))
    real, fake = pair()
    mean, deviation = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])

    def features(images: torch.Tensor) -> list[torch.Tensor]:
        x = ((images + 1) / 2 - mean.view(1, 3, 1, 1)) / deviation.view(1, 3, 1, 1)
        found = []
        for index, layer in enumerate(whole.features):
            x = layer(x)
            if index in layers:
                found.append(x.clone())
        return found

    wanted = sum(float((a - b).abs().mean()) for a, b in zip(features(real), features(fake), strict=True))
    terms = judge.terms(real, fake, features=2.0, style=0.0)
    assert list(terms) == ["perceptual"] and float(terms["perceptual"]) == pytest.approx(2 * wanted, rel=1e-5)


def test_lpips_as_a_loss_is_the_lpips_package_and_compares_no_gram_matrices(tmp_path: Path) -> None:
    from bfrbench.weights.handing import lpips_network

    store = seeded_store(tmp_path, "alexnet")
    judge = Perceptual("lpips-alex", CPU, store)
    real, fake = pair()
    wanted = float(lpips_network("alex", store)(real, fake).mean())
    term = judge.terms(real, fake.requires_grad_(True), features=1.0, style=0.0)["perceptual"]
    assert float(term.detach()) == pytest.approx(wanted, rel=1e-5)
    term.backward()
    assert fake.grad is not None and fake.grad.abs().sum() > 0
    with pytest.raises(UsageError, match="no Gram matrices"):
        judge.terms(real, fake, features=1.0, style=1.0)


def test_style_is_a_term_of_its_own_and_only_the_restored_side_is_taught(tmp_path: Path) -> None:
    judge = Perceptual("alexnet", CPU, seeded_store(tmp_path, "alexnet"))
    real, fake = (side.requires_grad_(True) for side in pair())
    terms = judge.terms(real, fake, features=1.0, style=50.0)
    assert set(terms) == {"perceptual", "style"} and float(terms["style"]) > 0
    torch.stack(list(terms.values())).sum().backward()
    assert real.grad is None and fake.grad is not None


def test_a_trunk_without_its_weights_or_name_is_an_error(tmp_path: Path) -> None:
    store = WeightStore(tmp_path, offline=True)
    with pytest.raises(WeightsError, match="vgg19"):
        Perceptual("vgg19", CPU, store)
    with pytest.raises(UnknownName, match="perceptual trunk"):
        Perceptual("vgg91", CPU, store)
