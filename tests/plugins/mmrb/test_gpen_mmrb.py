"""GPEN with blocks in its encoder: GPEN to the bit at the start, then a training and a restorer of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from bfrbench_gpen.network import GpenShape
from bfrbench_mmrb.block import BlockName
from bfrbench_mmrb.gpen import GpenMmrb, GpenMmrbShape

import bfrbench
from bfrbench.errors import WeightsError
from bfrbench.nn import frozen
from bfrbench.testing import check_restorer
from bfrbench.training import start
from bfrbench.training.journal import read_stats
from bfrbench.training.order import Order
from bfrbench.training.task import Faces

TINY = [
    "run.images=8",
    "run.batch=4",
    "run.workers=0",
    "run.log_every=4",
    "run.checkpoint_every=8",
    "run.sample_every=1000",
    "run.validate_every=1000",
    "task.multiplier=1.0",
    "task.narrow=0.0625",
]
LARGE = GpenShape(64, multiplier=1.0, narrow=0.0625, in_size=32)


@pytest.fixture(scope="session")
def prior(photographs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "prior"
    start.train(Order.of("gpen-prior@32", [str(photographs)], sets=TINY), out)
    return out


def task_of(recipe: str, photographs: Path, *more: str) -> Any:
    return start.build(Order.of(recipe, [str(photographs)], sets=[*TINY, *more]), torch.device("cpu"))


def test_from_the_same_prior_it_starts_as_gpen_to_the_bit(photographs: Path, prior: Path) -> None:
    gpen = task_of("gpen-finetune@32", photographs, f"task.prior={prior}").gpen
    ours = task_of("gpen-mmrb@32", photographs, f"task.prior={prior}").gpen
    image = torch.rand(2, 3, 32, 32) * 2 - 1
    assert sum(p.numel() for p in ours.parameters()) > sum(p.numel() for p in gpen.parameters())
    assert torch.equal(ours(image), gpen(image))


@pytest.mark.parametrize("block", ["mmrb", "resblock"])
def test_it_learns_everywhere_within_two_steps(photographs: Path, prior: Path, block: BlockName) -> None:
    torch.manual_seed(0)
    task = task_of("gpen-mmrb@32", photographs, f"task.prior={prior}", f"task.block={block}")
    faces = Faces(*(torch.rand(2, 3, 32, 32) * 2 - 1 for _ in range(2)))
    for _ in range(2):
        task.optimisers["gpen"].zero_grad()
        torch.stack(list(task._lose(faces).values())).sum().backward()
        task.optimisers["gpen"].step()
    silent = [name for name, p in task.gpen.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert silent == []


def test_every_parameter_has_one_rate_and_blocks_have_their_own(photographs: Path) -> None:
    task = task_of("gpen-mmrb@32", photographs, "task.prior=none")
    groups = task.optimisers["gpen"].param_groups
    listed = [id(p) for group in groups for p in group["params"]]
    assert sorted(listed) == sorted(id(p) for p in task.gpen.parameters())
    assert {id(p) for p in task.gpen.block_parameters()} == {id(p) for p in groups[-1]["params"]}
    assert [group["lr"] for group in groups] == [2e-3, 2e-4, 1e-4]


def test_a_trained_one_restores_conforms_and_is_not_taken_for_another(
    photographs: Path, prior: Path, tmp_path: Path
) -> None:
    what = Order.of("gpen-mmrb@32", [str(photographs)], sets=[*TINY, f"task.prior={prior}"])
    result = start.train(what, tmp_path / "run")
    assert [line["images"] for line in read_stats(tmp_path / "run")] == [4, 8]
    assert [o for o in check_restorer(f"gpen-mmrb:{result}") if not o.good] == []
    with pytest.raises(WeightsError, match="no weights file of an MMRB-StyleGAN2 trained here"):
        bfrbench.load_restorer(f"mmrb:{result}")
    with pytest.raises(WeightsError, match="no weights file of a GPEN with blocks trained here"):
        bfrbench.load_restorer(f"gpen-mmrb:{prior / 'result.safetensors'}")


@pytest.mark.parametrize("shape", [GpenShape(32, narrow=0.0625), LARGE], ids=str)
@pytest.mark.parametrize(("dtype", "near"), [(torch.float32, 1e-5), (torch.bfloat16, 0.1), (torch.float16, 0.02)])
@torch.no_grad()
def test_baked_for_inference_it_computes_the_same(shape: GpenShape, dtype: torch.dtype, near: float) -> None:
    torch.manual_seed(0)
    network = GpenMmrb(GpenMmrbShape(shape)).eval()
    for parameter in network.block_parameters():
        parameter.add_(0.02 * torch.randn_like(parameter))
    image = torch.rand(1, 3, shape.entry, shape.entry) * 2 - 1
    noise = network.finer_noise([0])
    expected = network(image, noise)
    out = frozen(network, dtype)(image.to(dtype), noise)
    assert out.dtype == torch.float32
    assert float((out - expected).abs().max() / expected.abs().max()) < near
