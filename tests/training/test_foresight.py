"""What would fail later is said at the start, and by the dry run."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from bfrbench.degradations import load_recipe
from bfrbench.degradations.draws import Replay
from bfrbench.errors import UsageError
from bfrbench.training import start
from bfrbench.training.config import RunConfig
from bfrbench.training.foresight import micro_batch, refuse_moving_targets
from bfrbench.training.order import Order
from tests.training.conftest import TINY


def refused(what: Order, out: Path, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        start.preview(what)
    with pytest.raises(UsageError, match=words):
        start.train(what, out)


def test_a_batch_of_broken_groups_is_refused_before_the_first_step(photographs: Path, tmp_path: Path) -> None:
    what = Order.of("stylegan2-prior@16", [str(photographs)], sets=[*TINY, "run.batch=6"])
    refused(what, tmp_path / "run", r"6 images .* groups of 4; make run\.batch .* task\.group")
    for more in ("task.group=3", "task.discriminator=patch", "run.micro_batch=3"):
        start.preview(Order.of("stylegan2-prior@32", [str(photographs)], sets=[*TINY, "run.batch=6", more]))


def test_a_degradation_that_changes_its_target_is_refused_where_targets_are_compared(
    photographs: Path, tmp_path: Path
) -> None:
    """Two views of a face, of which one is grey or mirrored, are not alike; and labels do not follow what moves."""
    views, labels = [*TINY, "task.prior=none", "task.perceptual=0"], [*TINY, "task.prior=none", "task.components=1"]
    for name in ("gpen-code@32", "difface@32"):
        what = Order.of("mmrb@32", [str(photographs)], sets=[*views, f"degradation={name}"])
        refused(what, tmp_path / "run", f"{name} may change its target by chance.*task.two_views=false")
    start.preview(Order.of("mmrb@32", [str(photographs)], sets=[*views, "task.two_views=false"]))
    faces = "studio-train:64"
    for name in ("gpen-code@32", "restoreformer-pp@32"):
        what = Order.of("gpen-finetune@32", [faces], sets=[*labels, f"degradation={name}"])
        refused(what, tmp_path / "run", f"{name} may flip or move its target.*run.flip=true")
    start.preview(Order.of("gpen-finetune@32", [faces], sets=[*labels, "degradation=difface@32"]))


class Coded:
    """A recipe that a plugin makes from code and that does not say what it does to its target."""

    digest = "0"


def test_of_given_images_the_target_stays_and_of_a_plugins_code_nothing_is_known(
    photographs: Path, tmp_path: Path
) -> None:
    sets = [*TINY, "task.prior=none", "task.perceptual=0", f"degradation=given:{photographs}"]
    start.preview(Order.of("mmrb@32", [str(photographs)], sets=sets))
    task = start.build(Order.of("mmrb@32", [str(photographs)], sets=sets), torch.device("cpu"))
    with pytest.raises(UsageError, match="Coded may change its target"):
        refuse_moving_targets(task, Coded(), labelled=False)


@pytest.mark.parametrize(("recipe", "touches", "moves"), [("gpen-code", True, True), ("vqfr-1", False, False)])
def test_stored_draws_say_of_their_target_what_their_recipe_did(recipe: str, touches: bool, moves: bool) -> None:
    made = load_recipe(f"{recipe}@32")
    replayed = Replay(Path("draws.parquet"), {str(n): made.draw(0, str(n)) for n in range(40)})
    assert (replayed.touches_target, replayed.moves_target) == (touches, moves)


def test_the_best_by_what_the_validation_does_not_measure_is_refused(photographs: Path, tmp_path: Path) -> None:
    sets = [*TINY, "degradation=vqfr-1@32", "task.identity=0", "run.best_by=psnrr"]
    what = Order.of("gpen-code@32", [str(photographs)], sets=sets, validation=str(photographs))
    refused(what, tmp_path / "run", r"run\.protocol basic-v1 for run\.best_by named 'psnrr'; did you mean psnr")
    start.preview(Order.of("gpen-code@32", [str(photographs)], sets=sets))


def test_more_processes_than_images_are_refused() -> None:
    with pytest.raises(UsageError, match="a batch of 4 does not divide into 8"):
        micro_batch(RunConfig(images=1, batch=4), 8)
