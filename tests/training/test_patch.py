"""The patch discriminator: what it sees, and that a recipe can take it."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from bfrbench.errors import UsageError
from bfrbench.nn import Discriminator
from bfrbench.training import losses, start
from bfrbench.training.adversary import Adversary
from bfrbench.training.journal import read_stats
from bfrbench.training.order import Order
from bfrbench.training.patch import PatchDiscriminator
from bfrbench.training.task import Faces
from tests.training.conftest import TINY


def test_a_logit_sees_a_patch_of_68_pixels_and_no_more() -> None:
    torch.manual_seed(0)
    network = PatchDiscriminator(256, narrow=0.1).double()
    image = torch.randn(1, 3, 256, 256, dtype=torch.float64, requires_grad=True)
    logits = network(image)
    assert logits.shape == (1, 1, 32, 32)
    (gradient,) = torch.autograd.grad(logits[0, 0, 16, 16], image)
    seen = gradient.abs().sum(1)[0] > 0
    rows, columns = seen.any(1).nonzero().flatten(), seen.any(0).nonzero().flatten()
    assert len(rows) == len(columns) == 68 == int(rows[-1] - rows[0]) + 1


def test_a_model_too_small_for_patches_is_refused(photographs: Path) -> None:
    sets = [*TINY, "task.discriminator=patch"]
    with pytest.raises(UsageError, match=r"needs 32 px, and the model has 16; take task\.discriminator=stylegan2"):
        start.preview(Order.of("stylegan2-prior@16", [str(photographs)], sets=sets))


def test_r1_of_patches_is_that_of_their_mean_and_of_one_logit_what_it_was() -> None:
    torch.manual_seed(0)
    faces = Faces(torch.randn(3, 3, 32, 32))
    for network in (PatchDiscriminator(32, narrow=0.1), Discriminator(32, narrow=0.1, group=1)):
        adversary = Adversary(network, lambda faces: faces.gt, gamma=2.0)
        (penalty,) = adversary._penalty(faces).values()
        wanted = torch.stack([losses.r1(network, face[None]) for face in faces.gt]).mean()
        count = network(faces.gt[:1]).numel()
        assert count in (1, 16)
        wanted = wanted / count**2  # the gradient of a mean is that of the sum over their number
        assert torch.allclose(penalty, wanted)


def test_a_restorer_is_trained_against_patches_from_a_prior_without_its_discriminator(
    photographs: Path, tmp_path: Path
) -> None:
    prior = Order.of("gpen-prior@32", [str(photographs)], sets=[*TINY, "run.images=8"])
    start.train(prior, tmp_path / "prior")
    more = (f"task.prior={tmp_path / 'prior'}", "task.discriminator=patch", "run.images=16", "task.r1_every=2")
    what = Order.of("gpen-finetune@32", [str(photographs)], sets=[*TINY, *more, "degradation=vqfr-1@32"])
    assert start.train(what, tmp_path / "run").is_file()
    lines = read_stats(tmp_path / "run")
    assert {"r1/r1", "restorer/feature-matching"} <= {name for line in lines for name in line}
