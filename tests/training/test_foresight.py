"""What would fail later is said at the start, and by the dry run."""

from __future__ import annotations

from pathlib import Path

import pytest

from bfrbench.errors import UsageError
from bfrbench.training import start
from bfrbench.training.config import RunConfig
from bfrbench.training.foresight import micro_batch
from tests.training.conftest import TINY


def refused(what: start.Order, out: Path, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        start.preview(what)
    with pytest.raises(UsageError, match=words):
        start.train(what, out)


def test_a_batch_of_broken_groups_is_refused_before_the_first_step(photographs: Path, tmp_path: Path) -> None:
    what = start.order("stylegan2-prior@16", [str(photographs)], sets=[*TINY, "run.batch=6"])
    refused(what, tmp_path / "run", r"6 images .* groups of 4; make run\.batch .* task\.group")
    for more in ("task.group=3", "task.discriminator=patch", "run.micro_batch=3"):
        start.preview(start.order("stylegan2-prior@32", [str(photographs)], sets=[*TINY, "run.batch=6", more]))


def test_a_degradation_that_changes_its_target_is_refused_where_targets_are_compared(
    photographs: Path, tmp_path: Path
) -> None:
    """Two views of a face, of which one is grey or mirrored, are not alike; and labels do not follow what moves."""
    views, labels = [*TINY, "task.prior=none", "task.perceptual=0"], [*TINY, "task.prior=none", "task.components=1"]
    for name in ("gpen-code@32", "difface@32"):
        what = start.order("mmrb@32", [str(photographs)], sets=[*views, f"degradation={name}"])
        refused(what, tmp_path / "run", f"{name} changes its target by chance.*task.two_views=false")
    start.preview(start.order("mmrb@32", [str(photographs)], sets=[*views, "task.two_views=false"]))
    faces = "studio-train:64"
    for name in ("gpen-code@32", "restoreformer-pp@32"):
        what = start.order("gpen-finetune@32", [faces], sets=[*labels, f"degradation={name}"])
        refused(what, tmp_path / "run", f"{name} flips or moves its target.*run.flip=true")
    start.preview(start.order("gpen-finetune@32", [faces], sets=[*labels, "degradation=difface@32"]))


def test_the_best_by_what_the_validation_does_not_measure_is_refused(photographs: Path, tmp_path: Path) -> None:
    sets = [*TINY, "degradation=vqfr-1@32", "task.identity=0", "run.best_by=psnrr"]
    what = start.order("gpen-code@32", [str(photographs)], sets=sets, validation=str(photographs))
    refused(what, tmp_path / "run", r"run\.protocol basic-v1 for run\.best_by named 'psnrr'; did you mean psnr")
    start.preview(start.order("gpen-code@32", [str(photographs)], sets=sets))


def test_more_processes_than_images_are_refused() -> None:
    with pytest.raises(UsageError, match="a batch of 4 does not divide into 8"):
        micro_batch(RunConfig(images=1, batch=4), 8)
