"""Restorers on a GPU against the CPU. Float32 differs by the order of its sums: 1e-5 is expected, 1e-3 allowed."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
import torch
from bfrbench_gpen.checkpoints import published_table
from bfrbench_gpen.network import Gpen, GpenShape
from bfrbench_mmrb.gpen import GpenMmrb, GpenMmrbShape
from bfrbench_mmrb.network import MmrbShape, MmrbStyleGan2
from torch import Tensor, nn

from bfrbench.contracts import Batch
from bfrbench.nn import frozen
from bfrbench.precision import exact_float32
from bfrbench.restorers import load_restorer
from tests.gpu.comparing import DEVICE, awake
from tests.nn.seeded import faces, fill, relative

pytestmark = pytest.mark.cuda

ALLOWED = 1e-3
GPEN = GpenShape(64, multiplier=1.0, narrow=0.0625, style_dim=64)


def gpen(shape: GpenShape = GPEN) -> Gpen:
    return fill(Gpen(shape), 1).eval().requires_grad_(False)


def seeded(name: str) -> nn.Module:
    torch.manual_seed(0)
    if name == "gpen-mmrb":
        return awake(GpenMmrb(GpenMmrbShape(GPEN)))
    if name == "gpen":
        return gpen()
    return awake(MmrbStyleGan2(MmrbShape(64, narrow=0.0625, style_dim=64)))


def answers(network: nn.Module, *inputs: object) -> tuple[Tensor, Tensor]:
    """The device's and the CPU's."""

    def moved(value: object) -> object:
        return [one.to(DEVICE) for one in value] if isinstance(value, list) else value.to(DEVICE)  # type: ignore[attr-defined]

    there = copy.deepcopy(network).to(DEVICE)
    with torch.inference_mode(), exact_float32():
        out = there(*map(moved, inputs))
        assert out.device.type == torch.device(DEVICE).type
        return out.cpu(), network(*inputs)


@pytest.mark.parametrize("name", ["gpen", "gpen-mmrb", "mmrb"])
@pytest.mark.parametrize("ready", [False, True], ids=["as trained", "frozen"])
def test_a_network_gives_what_it_gives_on_the_cpu(name: str, ready: bool) -> None:
    network = frozen(seeded(name)) if ready else seeded(name)
    assert relative(*answers(network, faces(3, 64, 4))) <= ALLOWED


def test_equal_noise_gives_equal_pictures() -> None:
    network = gpen(GpenShape(64, multiplier=1.0, narrow=0.0625, in_size=32, style_dim=64))
    assert relative(*answers(network, faces(3, 32, 2), network.finer_noise([5, 6]))) <= ALLOWED


@pytest.fixture
def file(tmp_path: Path) -> Path:
    torch.save(published_table(gpen()), tmp_path / "gpen.pth")
    return tmp_path / "gpen.pth"


@pytest.mark.parametrize(("precision", "allowed"), [("float32", 1e-3), ("float16", 2e-2), ("bfloat16", 5e-2)])
def test_a_restorer_gives_what_it_gives_on_the_cpu(file: Path, precision: str, allowed: float) -> None:
    """Of the range of an image. The answer lies where the question lay."""
    lq = faces(4, 64, 3) / 2 + 0.5
    expected = load_restorer(f"gpen-64:{file}").restore(Batch(("a", "b", "c"), lq, (0, 1, 2)))
    restorer = load_restorer(f"gpen-64:{file}", device=DEVICE, precision=precision)  # type: ignore[arg-type]
    found = restorer.restore(Batch(("a", "b", "c"), lq.to(DEVICE), (0, 1, 2)))
    assert found.device.type == torch.device(DEVICE).type and found.dtype == torch.float32
    assert float((found.cpu() - expected).abs().mean()) <= allowed


def test_batches_on_a_device_equal_single_images(file: Path) -> None:
    lq, names = (faces(4, 64, 8) / 2 + 0.5).to(DEVICE), [str(index) for index in range(8)]
    restorer = load_restorer(f"gpen-64:{file}", device=DEVICE)
    together = restorer.restore(Batch(tuple(names), lq, tuple(range(8))))
    alone = [restorer.restore(Batch((name,), lq[at : at + 1], (at,))) for at, name in enumerate(names)]
    assert float((together - torch.cat(alone)).abs().max()) <= 1e-4
