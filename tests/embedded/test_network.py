"""The lite network: what it sees of images of any size, and that folding changes nothing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import nn

from bfrbench.embedded.network import EMBEDDING, SIDE, WIDTHS, LiteNetwork, folded, load, seen
from bfrbench.errors import WeightsError
from bfrbench.studio import split


@pytest.fixture(scope="module")
def faces() -> torch.Tensor:
    images = np.stack([sample.image for sample in split("studio-ci", size=SIDE, count=3)])
    return torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255


def stirred() -> LiteNetwork:
    """A network in training whose normalisations have seen something."""
    torch.manual_seed(0)
    network = LiteNetwork(norm=True)
    for part in network.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.running_mean.normal_()  # type: ignore[union-attr]
            part.running_var.uniform_(0.5, 2)  # type: ignore[union-attr]
            nn.init.normal_(part.weight)
            nn.init.normal_(part.bias)
    return network.eval()


def test_folding_the_normalisations_in_changes_nothing(faces: torch.Tensor) -> None:
    trained = stirred()
    plain = folded(trained)
    assert not any(isinstance(part, nn.BatchNorm2d) for part in plain.modules())
    with torch.inference_mode():
        for ours, theirs in zip(plain.layers(seen(faces)), trained.layers(seen(faces)), strict=True):
            assert torch.allclose(ours, theirs, rtol=1e-4, atol=1e-4)
        assert torch.allclose(
            plain.embed(plain.layers(seen(faces))), trained.embed(trained.layers(seen(faces))), atol=1e-4
        )


def test_layers_pooled_features_and_embedding_have_their_shapes(faces: torch.Tensor) -> None:
    network = folded(stirred())
    layers = network.layers(seen(faces))
    assert [tuple(layer.shape[1:]) for layer in layers] == [
        (width, SIDE >> at, SIDE >> at) for at, width in enumerate(WIDTHS, 1)
    ]
    assert network.pooled(layers).shape == (3, sum(WIDTHS[1:]))
    embedded = network.embed(layers)
    assert embedded.shape == (3, EMBEDDING) and torch.allclose(embedded.norm(dim=1), torch.ones(3))


def test_a_face_of_its_size_is_seen_as_it_is(faces: torch.Tensor) -> None:
    assert torch.equal(seen(faces), faces * 2 - 1)


@pytest.mark.parametrize("size", [64, 256, 300])
def test_other_sizes_are_brought_to_it_as_pillow_would(size: int) -> None:
    image = split("studio-ci", size=size, count=1)[0].image.astype(np.float32)
    planes = [
        Image.fromarray(plane).resize((SIDE, SIDE), Image.Resampling.BICUBIC) for plane in image.transpose(2, 0, 1)
    ]
    theirs = np.stack([np.asarray(plane) for plane in planes]).clip(0, 255) / 127.5 - 1
    ours = seen(torch.from_numpy(image).permute(2, 0, 1).unsqueeze(0) / 255)[0].numpy()
    assert np.abs(ours - theirs).max() < 1e-4


def test_a_file_that_is_another_network_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.safetensors"
    save_file({"weight": torch.zeros(3)}, path)
    with pytest.raises(WeightsError, match="not the network of the lite metrics"):
        load(path)
