"""Restorers that misbehave fail their images and are counted; only one that never answers ends the run."""

from __future__ import annotations

import time
from pathlib import Path

import psutil
import pytest

from bfrbench.bench.plan import make_plan
from bfrbench.bench.run import execute
from bfrbench.bench.scorecard import Scorecard
from bfrbench.bench.settings import Settings
from bfrbench.errors import RestorerError
from tests.bench.noise import noise_stage


def run(ref: str, folder: Path, max_failures: float = 0.5, count: int = 8, **settings: object) -> Scorecard:
    stage = noise_stage(count, metrics=("psnr",), max_failures=max_failures, layout={"batch": 4, "shard": 8})
    plan = make_plan(ref, stage, Settings(out=folder, **settings))  # type: ignore[arg-type]
    return execute(plan)


def test_each_fault_fails_its_own_image_only(tmp_path: Path, faulty: Path) -> None:
    card = run("faulty-mixed", tmp_path / "run")
    assert card.results.failures == {"bad_shape": 1, "error": 1, "nan": 1}
    named = {image.id[-1]: image.status for image in card.results.failed_images}
    assert named == {"1": "error", "3": "nan", "6": "bad_shape"}
    assert card.results.metrics["psnr"].failed == card.results.failures
    assert card.results.status == "complete"
    assert any("I do not like this face" in note for note in card.observed.notes)


@pytest.mark.parametrize("fault", ["segfaults", pytest.param("leaves", marks=pytest.mark.slow)])
def test_a_process_that_dies_fails_the_image_that_killed_it(fault: str, tmp_path: Path, faulty: Path) -> None:
    card = run(f"faulty-{fault}", tmp_path / "run", count=4, batch=2)
    assert card.results.failures == {"error": 1}
    assert [image.id for image in card.results.failed_images] == ["noise-000003"]
    assert any("its process died" in note for note in card.observed.notes)


def test_a_restorer_that_hangs_is_stopped_after_the_time_limit(tmp_path: Path, faulty: Path) -> None:
    card = run("faulty-hangs", tmp_path / "run", count=4, batch=1, time_limit=1.0)
    assert card.results.failures == {"timeout": 1}
    assert any("no answer in 1 s" in note for note in card.observed.notes)
    left = [process for process in psutil.process_iter(["cmdline"]) if process.info["cmdline"] == ["sleep", "3599.25"]]
    assert left == [], "the program that the restorer waited for goes on"


def test_a_restorer_that_hangs_too_often_is_not_asked_any_more(tmp_path: Path, faulty: Path) -> None:
    card = run("faulty-hangs", tmp_path / "run", 0, count=48, batch=1, time_limit=1.0)
    assert card.results.status == "failed"
    asked = [image.id for image in card.results.failed_images]
    assert asked == ["noise-000003", *(f"noise-{number:06d}" for number in range(13, 48))]
    assert sum("no answer in 1 s" in note for note in card.observed.notes) == 2
    assert card.observed.notes[0].startswith("not asked: the restorer hung")


def test_a_restorer_that_always_hangs_ends_the_run_after_four_time_limits(tmp_path: Path, faulty: Path) -> None:
    began = time.monotonic()
    with pytest.raises(RestorerError, match="has not answered once in 4 tries"):
        run("faulty-hangs", tmp_path / "run", count=48, batch=4, time_limit=1.0, options={"every": True})
    starts = 30.0  # of four processes that import torch, on a busy machine
    assert time.monotonic() - began < 4 * (1.0 + starts)
    assert not list((tmp_path / "run").rglob("shard-*")), "nothing is written of what was never answered"


def test_a_leak_costs_a_restart_and_no_image(tmp_path: Path, faulty: Path) -> None:
    card = run("faulty-leaks", tmp_path / "run", count=48, memory_limit=1.2)  # importing torch alone may take 0.75
    assert card.results.failures == {}
    assert any("worker restarted" in note for note in card.observed.notes)


def test_a_batch_that_does_not_fit_is_halved_and_that_is_recorded(tmp_path: Path, faulty: Path) -> None:
    card = run("faulty-needsmemory", tmp_path / "run", in_process=True)
    assert card.results.failures == {}
    assert any("out of memory" in note and "halved" in note for note in card.observed.notes)


def test_more_failures_than_the_board_allows_make_the_scorecard_failed(tmp_path: Path, faulty: Path) -> None:
    card = run("faulty-nan", tmp_path / "run", max_failures=0.1, in_process=True)
    assert card.results.status == "failed"


def test_a_restorer_that_cannot_be_made_is_one_sentence(tmp_path: Path, faulty: Path) -> None:
    with pytest.raises(Exception, match="no such network") as caught:
        run("faulty-cannotbemade", tmp_path / "run")
    assert caught.value.exit_code == RestorerError.exit_code  # type: ignore[attr-defined]
