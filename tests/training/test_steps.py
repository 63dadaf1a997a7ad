"""The steps of the loop, one by one, on a task whose gradients are plain numbers."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from torch import nn

from bfrbench.errors import Diverged
from bfrbench.plugins import PluginHost
from bfrbench.training import checkpoint
from bfrbench.training.config import RunConfig
from bfrbench.training.journal import Journal
from bfrbench.training.task import Faces, Phase, Task, Terms
from tests.training.slope import Slope, trainer


def test_a_micro_batch_with_nothing_to_learn_from_leaves_the_gradients_of_the_others(tmp_path: Path) -> None:
    task = Slope()
    trainer(task, [[2.0, 0.0], [0.0, 6.0]], tmp_path).train()
    assert task.weight == -1 + (-0.5 - 3), "the second step carries half of the first on"


def test_a_step_with_nothing_to_learn_from_moves_nothing(tmp_path: Path) -> None:
    task = Slope()
    trainer(task, [[2.0], [0.0]], tmp_path).train()
    assert task.weight == -2, "not even by what the optimiser remembers"


def test_a_phase_that_is_off_is_not_asked(tmp_path: Path) -> None:
    task, asked = Slope(), []

    def lose(faces: Faces) -> Terms:
        asked.append(float(faces.gt.mean()))
        return task.lose(faces)

    phase = Phase("slope", "slope", lose).only(lambda: len(asked) < 2).only(lambda: True)
    task.phases = lambda: [phase]  # type: ignore[method-assign]
    trainer(task, [[1.0], [2.0], [3.0]], tmp_path).train()
    assert asked == [1, 2]


NAN = float("nan")


def kept(out: Path) -> list[int]:
    return [int(place.name) for place in checkpoint.all_of(out)]


def test_bad_steps_fewer_than_allowed_do_not_cost_the_result(tmp_path: Path) -> None:
    task = Slope()
    trainer(task, [[1.0], [NAN], [NAN]], tmp_path, bad_steps=3).train()
    assert task.weight == -1 and kept(tmp_path) == [3]
    with pytest.raises(Diverged, match=r"2 steps running gave NaN"):
        trainer(Slope(), [[1.0], [NAN], [NAN]], tmp_path / "other", bad_steps=2).train()


def test_a_checkpoint_that_falls_due_in_a_bad_step_is_made_up_for(tmp_path: Path) -> None:
    steps = [[1.0], [NAN], [NAN], [1.0], [1.0], [1.0]]
    trainer(Slope(), steps, tmp_path, checkpoint_every=2, keep_last=9).train()
    assert kept(tmp_path) == [4, 6]


def test_a_phase_that_runs_seldom_holds_up_no_checkpoint_until_it_runs_again(tmp_path: Path) -> None:
    task = Slope()
    seldom = Phase("seldom", "slope", lambda faces: {"bad": task.network.weight.sum() * NAN}, every=16)
    task.phases = lambda: [Phase("slope", "slope", task.lose), seldom]  # type: ignore[method-assign]
    trainer(task, [[1.0]] * 6, tmp_path, checkpoint_every=2, keep_last=9).train()
    assert kept(tmp_path) == [2, 4, 6]


def test_the_best_is_a_checkpoint_that_stands(tmp_path: Path) -> None:
    class Scores(Journal):
        def validate(self, images: int, task: Task, network: nn.Module) -> float:
            return {1: 1.0, 2: 3.0, 3: 2.0, 4: 0.0}[images]

    config = RunConfig(images=4)
    journal = Scores(tmp_path, config, PluginHost({}), active=False)
    goes = trainer(Slope(), [[1.0], [NAN], [1.0], [1.0]], tmp_path, journal=journal, validate_every=1, keep_last=1)
    goes.train()
    assert goes.clock.best_place == "000000000003" and kept(tmp_path) == [3, 4]


def test_a_request_to_stop_waits_for_a_sound_step(tmp_path: Path) -> None:
    task = Slope()
    lose = interrupting(task, [signal.SIGTERM])

    def bad_first(faces: Faces) -> Terms:
        terms = lose(faces)
        return {"bad": terms["product"] * NAN} if float(faces.gt.mean()) == 2 else terms

    task.phases = lambda: [Phase("slope", "slope", bad_first)]  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        trainer(task, [[1.0], [2.0], [3.0], [4.0]], tmp_path).train()
    assert kept(tmp_path) == [3]


def interrupting(task: Slope, signals: Sequence[signal.Signals]) -> Callable[[Faces], Terms]:
    """The loss, in whose middle these signals come when the second step's images are there."""

    def lose(faces: Faces) -> Terms:
        if float(faces.gt.mean()) == 2:
            for number in signals:
                os.kill(os.getpid(), number)
        return task.lose(faces)

    return lose


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_in_the_middle_of_a_step_finishes_it_and_keeps_it(tmp_path: Path, number: signal.Signals) -> None:
    task = Slope()
    first, second = Phase("first", "slope", interrupting(task, [number])), Phase("second", "slope", task.lose)
    task.phases = lambda: [first, second]  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        trainer(task, [[1.0], [2.0], [3.0]], tmp_path).train()
    (place,) = checkpoint.all_of(tmp_path)
    whole, later = Slope(), Slope()
    for each in (whole, later):
        each.phases = lambda each=each: [Phase(n, "slope", each.lose) for n in ("first", "second")]  # type: ignore
    goes_on = trainer(later, [[1.0], [2.0], [3.0]], tmp_path)
    goes_on.resume(place)
    assert goes_on.clock.images == 2
    goes_on.train()
    trainer(whole, [[1.0], [2.0], [3.0]], tmp_path / "whole").train()
    assert later.weight == whole.weight


def test_the_second_signal_stops_at_once_and_leaves_the_checkpoints_as_they_are(tmp_path: Path) -> None:
    task = Slope()
    lose = interrupting(task, [signal.SIGINT, signal.SIGINT])
    task.phases = lambda: [Phase("slope", "slope", lose)]  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        trainer(task, [[1.0], [2.0], [3.0]], tmp_path, checkpoint_every=1).train()
    assert kept(tmp_path) == [1]


def test_a_signal_in_the_last_step_changes_nothing(tmp_path: Path) -> None:
    task = Slope()
    task.phases = lambda: [Phase("slope", "slope", interrupting(task, [signal.SIGTERM]))]  # type: ignore[method-assign]
    trainer(task, [[1.0], [2.0]], tmp_path).train()
    assert len(checkpoint.all_of(tmp_path)) == 1
