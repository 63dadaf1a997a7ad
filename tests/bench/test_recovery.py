"""What a restorer that hangs or dies may cost, in requests that end in a time limit, whatever the set's size."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bfrbench.bench import manifest as manifests
from bfrbench.bench.journal import Journal
from bfrbench.bench.plan import make_plan
from bfrbench.bench.recovery import TRIES, Recovering
from bfrbench.bench.restoring import Answer, BatchFailed, Cause, Direct, Request
from bfrbench.bench.run import execute
from bfrbench.bench.settings import Settings
from bfrbench.errors import RestorerError
from tests.bench.noise import noise_stage


class Scripted:
    """An engine that answers with its input unless `hurt` says otherwise, and counts what it was asked."""

    about: Mapping[str, Any] = {}

    def __init__(self, hurt: Callable[[Request], bool], cause: Cause = "timeout") -> None:
        self.hurt, self.cause = hurt, cause
        self.asked: list[int] = []
        self.failed = 0

    def ready(self) -> None: ...
    def close(self) -> None: ...

    def restore(self, request: Request) -> Answer:
        self.asked.append(len(request.ids))
        if self.hurt(request):
            self.failed += 1
            raise BatchFailed(self.cause, "no answer in 60 s")
        return Answer(request.lq, ("ok",) * len(request.ids), 0.1)


def batches(count: int, batch: int) -> list[Request]:
    ids = [f"image-{number:04d}" for number in range(count)]
    cuts = [tuple(ids[start : start + batch]) for start in range(0, count, batch)]
    return [Request(cut, tuple(range(len(cut))), np.zeros((len(cut), 2, 2, 3), np.uint8)) for cut in cuts]


def statuses(engine: Recovering, count: int, batch: int) -> list[str]:
    return [status for request in batches(count, batch) for status in engine.restore(request).statuses]


def ends_in(*digits: str) -> Callable[[Request], bool]:
    return lambda request: any(image_id[-1] in digits for image_id in request.ids)


@pytest.mark.parametrize("cause", ["timeout", "crash"])
def test_within_patience_each_image_costs_two_time_limits_and_no_other_image(cause: Cause) -> None:
    scripted = Scripted(ends_in("3"), cause)
    found = statuses(Recovering(scripted, patience=10), 80, 8)
    assert [number for number, status in enumerate(found) if status != "ok"] == list(range(3, 80, 10))
    assert {status for status in found if status != "ok"} == {"timeout" if cause == "timeout" else "error"}
    assert scripted.failed == 2 * 8


@pytest.mark.parametrize("digits", ["3", "13579", "123456789"])
@pytest.mark.parametrize("batch", [1, 4, 8, 16])
def test_time_limits_of_a_whole_run_are_bounded_by_what_the_board_allows(digits: str, batch: int) -> None:
    patience = max(20, batch)
    scripted = Scripted(ends_in(*digits))
    found = statuses(Recovering(scripted, patience=patience), 2000, batch)
    assert scripted.failed <= 2 * (patience + 1) + math.ceil(math.log2(batch))
    assert found.count("timeout") > patience, "the run has failed"


def test_a_restorer_that_never_answers_ends_the_run() -> None:
    scripted = Scripted(lambda request: True)
    with pytest.raises(RestorerError, match=r"has not answered once in 4 tries .* raise --time-limit"):
        statuses(Recovering(scripted, patience=100), 2000, 8)
    assert scripted.failed == TRIES


def test_a_restorer_that_raises_on_everything_is_no_restorer_that_hangs() -> None:
    found = statuses(Recovering(Scripted(lambda request: True, "error"), patience=2), 40, 8)
    assert found == ["error"] * 40


def test_batches_that_are_too_slow_only_as_a_whole_become_smaller_and_lose_no_image() -> None:
    scripted = Scripted(lambda request: len(request.ids) > 2)
    assert statuses(Recovering(scripted, patience=2), 800, 8) == ["ok"] * 800
    assert scripted.failed == 2  # at 8 and at 4
    assert set(scripted.asked[-100:]) == {2}


def test_a_run_that_had_failed_before_gives_up_at_the_first_hang() -> None:
    scripted = Scripted(ends_in("3"))
    found = statuses(Recovering(scripted, patience=4, landed=lambda: 4), 80, 1)
    assert scripted.failed == 1 and found.count("timeout") == 80 - 3


class Hanging(Direct):
    """The restorer in this process, but some images hang: so many that they fill a whole batch and more."""

    def restore(self, request: Request) -> Answer:
        if any(f"noise-{number:06d}" in request.ids for number in range(12, 20)):
            raise BatchFailed("timeout", "no answer in 60 s")
        return super().restore(request)


@pytest.mark.parametrize(("kept", "shard"), [("rows", 12), ("open", 24)])
def test_a_run_that_goes_on_at_images_that_hang_knows_that_others_were_restored(
    kept: str, shard: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bfrbench.bench.run.Direct", Hanging)
    stage = noise_stage(24, metrics=("psnr",), max_failures=0.5, layout={"batch": 4, "shard": shard})
    plan = make_plan("input", stage, Settings(out=tmp_path, threads=1))
    whole = execute(plan)
    assert whole.results.failures == {"timeout": 8}
    journal = Journal(plan.folder, manifests.read(plan.folder))
    last = journal.shards[-1]
    if kept == "open":
        journal.keep_open(last, journal.read(last).slice(0, 12))
    (tmp_path / "rows" / f"{last.name}.parquet").unlink()
    (tmp_path / "scorecard.json").unlink()
    assert execute(plan).results_digest == whole.results_digest


def test_a_device_that_failed_ends_the_process_and_not_one_image() -> None:
    """Nothing more can be computed there: a worker is made anew, and a run without one ends and may be resumed."""
    import numpy as np
    import torch

    from bfrbench.bench.restoring import Request, restore
    from bfrbench.errors import RestorerError
    from bfrbench.restorers import load_restorer

    class Lost:
        def restore(self, batch: object) -> object:
            raise torch.AcceleratorError("CUDA error: device-side assert triggered")

    loaded = load_restorer("input")
    loaded.restorer = Lost()  # type: ignore[assignment]
    with pytest.raises(RestorerError, match="device-side assert"):
        restore(loaded, Request(("a",), (0,), np.zeros((1, 8, 8, 3), np.uint8)))
