"""The steps of the loop, one by one, on a task whose gradients are plain numbers."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from bfrbench.training import checkpoint
from bfrbench.training.task import Faces, Phase, Terms
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
    assert [int(place.name) for place in checkpoint.all_of(tmp_path)] == [1]


def test_a_signal_in_the_last_step_changes_nothing(tmp_path: Path) -> None:
    task = Slope()
    task.phases = lambda: [Phase("slope", "slope", interrupting(task, [signal.SIGTERM]))]  # type: ignore[method-assign]
    trainer(task, [[1.0], [2.0]], tmp_path).train()
    assert len(checkpoint.all_of(tmp_path)) == 1
