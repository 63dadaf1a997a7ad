"""The steps of the loop, one by one, on a task whose gradients are plain numbers."""

from __future__ import annotations

from pathlib import Path

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
