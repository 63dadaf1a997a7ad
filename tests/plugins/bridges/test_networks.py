"""Checkpoints through spandrel and ONNX files through onnxruntime, against the networks called directly.

The networks have seeded random weights, made here: parity of a bridge needs no trained ones.
"""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

import bfrbench
from bfrbench.errors import InputError, UsageError, WeightsError
from bfrbench.testing import check_restorer


def batch_of(count: int = 3, size: int = 32) -> bfrbench.Batch:
    lq = torch.rand(count, 3, size, size, generator=torch.Generator().manual_seed(2))
    return bfrbench.Batch(tuple("abcdefgh"[:count]), lq, tuple(range(count)))


@pytest.fixture(scope="module")
def compact(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, torch.nn.Module]:
    """A small Real-ESRGAN-like network ×2, as its training code saves it."""
    from spandrel.architectures.Compact import Compact

    torch.manual_seed(0)
    network = Compact(num_feat=8, num_conv=2, upscale=2).eval()
    path = tmp_path_factory.mktemp("spandrel") / "compact.pth"
    torch.save({"params_ema": network.state_dict()}, path)
    return path, network


def test_a_spandrel_checkpoint_gives_what_the_network_gives(compact: tuple[Path, torch.nn.Module]) -> None:
    path, network = compact
    batch = batch_of()
    with torch.inference_mode():
        large = network(batch.lq).clamp(0, 1)
        wanted = torch.nn.functional.interpolate(large, size=32, mode="bicubic", antialias=True).clamp(0, 1)
    out = bfrbench.load_restorer(f"spandrel:{path}").restore(batch)
    assert torch.allclose(out, wanted, atol=1e-5)


def test_a_spandrel_checkpoint_conforms(compact: tuple[Path, torch.nn.Module]) -> None:
    assert [outcome for outcome in check_restorer(f"spandrel:{compact[0]}") if not outcome.good] == []


def test_bfloat16_stays_near(compact: tuple[Path, torch.nn.Module]) -> None:
    batch = batch_of()
    full = bfrbench.load_restorer(f"spandrel:{compact[0]}").restore(batch)
    half = bfrbench.load_restorer(f"spandrel:{compact[0]}", precision="bfloat16").restore(batch)
    assert half.dtype == torch.float32 and 0 < float((full - half).abs().mean()) < 0.02


@pytest.mark.slow
def test_gfpgan_gets_the_range_it_was_trained_on_and_the_same_noise_each_time(tmp_path: Path) -> None:
    from spandrel.architectures.GFPGAN import GFPGAN

    torch.manual_seed(0)
    settings = {"out_size": 512, "channel_multiplier": 2, "fix_decoder": False, "input_is_latent": True}
    network = GFPGAN(**settings, different_w=True, narrow=1, sft_half=True, num_mlp=8).eval()
    path = tmp_path / "gfpgan.safetensors"
    save_file({name: value.contiguous() for name, value in network.state_dict().items()}, path)
    batch = batch_of(count=1, size=512)
    restorer = bfrbench.load_restorer(f"spandrel:{path}")
    out = restorer.restore(batch)
    torch.manual_seed(batch.seeds[0])
    with torch.inference_mode():
        wanted = (network(batch.lq * 2 - 1)[0] / 2 + 0.5).clamp(0, 1)
    assert torch.allclose(out, wanted, atol=1e-4)
    assert torch.equal(out, restorer.restore(batch))


def test_a_checkpoint_that_spandrel_does_not_know_is_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "stranger.safetensors"
    save_file({"stranger.weight": torch.zeros(3)}, path)
    with pytest.raises(WeightsError, match="no architecture that spandrel knows"):
        bfrbench.load_restorer(f"spandrel:{path}")


def test_a_checkpoint_with_code_inside_runs_nothing(tmp_path: Path) -> None:
    import os
    import pickle

    class Bomb:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return os.system, (f"touch {tmp_path / 'boom'}",)

    path = tmp_path / "bomb.pth"
    path.write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(WeightsError):
        bfrbench.load_restorer(f"spandrel:{path}")
    assert not (tmp_path / "boom").exists()


class Darken(torch.nn.Module):
    """Works on [-1, 1], on BGR: halves the blue, which comes first."""

    def __init__(self) -> None:
        super().__init__()
        self.gain = torch.nn.Parameter(torch.tensor([0.5, 1.0, 1.0]).view(1, 3, 1, 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return (x / 2 + 0.5) * self.gain * 2 - 1


def export(path: Path, *, dynamic: bool, batch: int = 2) -> Path:
    shapes = {"x": {0: torch.export.Dim("batch", min=1, max=64)}} if dynamic else None
    example = torch.rand(batch, 3, 32, 32)
    torch.onnx.export(
        Darken(), (example,), path, dynamo=True, dynamic_shapes=shapes, external_data=False, verbose=False
    )
    return path


@pytest.fixture(scope="module")
def darken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return export(tmp_path_factory.mktemp("onnx") / "darken.onnx", dynamic=False)


def darkened(batch: bfrbench.Batch) -> torch.Tensor:
    return batch.lq * torch.tensor([1.0, 1.0, 0.5]).view(1, 3, 1, 1)


def test_a_fixed_batch_is_filled_up_and_cut_again(darken: Path) -> None:
    batch = batch_of(5)
    out = bfrbench.load_restorer(f"onnx:{darken}", range="-1..1", channels="bgr").restore(batch)
    assert torch.allclose(out, darkened(batch), atol=1e-6)


def test_a_dynamic_batch_and_a_sidecar(tmp_path: Path) -> None:
    path = export(tmp_path / "dynamic.onnx", dynamic=True)
    path.with_name("dynamic.onnx.toml").write_text('range = "-1..1"\nchannels = "bgr"\n')
    batch = batch_of(5)
    assert torch.allclose(bfrbench.load_restorer(f"onnx:{path}").restore(batch), darkened(batch), atol=1e-6)


def test_an_onnx_file_of_fixed_size_takes_other_sizes_through_resizing(darken: Path) -> None:
    restorer = bfrbench.load_restorer(f"onnx:{darken}", range="-1..1")
    assert restorer.restore(batch_of(size=48)).shape == (3, 3, 48, 48)


def test_an_onnx_file_conforms(tmp_path: Path) -> None:
    path = export(tmp_path / "dynamic.onnx", dynamic=True)
    outcomes = check_restorer(f"onnx:{path}", options={"range": "-1..1"})
    assert [outcome for outcome in outcomes if not outcome.good] == []


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, "value range .* is not known"),
        ({"range": "0..2"}, "key 'range'"),
        ({"range": "0..1", "size": "64"}, "takes 32 px and size says 64"),
        ({"range": "0..1", "size": "big"}, "size"),
    ],
)
def test_conventions_are_never_guessed(darken: Path, options: dict[str, str], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        bfrbench.load_restorer(f"onnx:{darken}", **options)


def test_what_is_no_onnx_file_is_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "text.onnx"
    path.write_text("hello")
    with pytest.raises(InputError, match="not an ONNX file"):
        bfrbench.load_restorer(f"onnx:{path}", range="0..1")
    with pytest.raises(InputError, match="no file"):
        bfrbench.load_restorer(f"onnx:{tmp_path / 'none.onnx'}", range="0..1")
