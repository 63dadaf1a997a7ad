"""Processes that train together come to the same, whatever one of them has nothing of. Two threads that meet play the
two processes, so that each case takes a moment; real processes are in test_resume.py."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from torch import Tensor

from bfrbench.errors import InputError
from bfrbench.training import checkpoint, loop
from bfrbench.training import ranks as module
from bfrbench.training.ranks import Ranks
from bfrbench.training.task import Faces, Phase, Terms
from tests.training.slope import Slope, trainer


class Meeting:
    """torch.distributed between two threads: what each brings is seen by both; one that waits in vain is an error."""

    def __init__(self) -> None:
        self.brought: dict[int, Any] = {}
        self.barriers = [threading.Barrier(2, timeout=20) for _ in range(2)]
        self.own = threading.local()

    def exchange(self, value: Any) -> list[Any]:
        self.brought[self.own.rank] = value
        self.barriers[0].wait()
        both = [self.brought[0], self.brought[1]]
        self.barriers[1].wait()
        return both

    def all_reduce(self, value: Tensor) -> None:
        first, second = self.exchange(value.clone())
        value.copy_(first + second)

    def broadcast(self, value: Tensor, src: int) -> None:
        value.data.copy_(self.exchange(value.detach().clone())[src])

    def all_gather_object(self, into: list[Any], value: Any) -> None:
        into[:] = self.exchange(value)

    def barrier(self) -> None:
        self.exchange(None)


@pytest.fixture
def on_both(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[Ranks], Any]], list[Any]]:
    """What an act gives in each of two processes."""
    meeting = Meeting()
    monkeypatch.setattr(module, "distributed", meeting)

    def run(act: Callable[[Ranks], Any]) -> list[Any]:
        def as_rank(rank: int) -> Any:
            meeting.own.rank = rank
            return act(Ranks(rank, 2))

        with ThreadPoolExecutor(2) as pool:
            return list(pool.map(as_rank, range(2)))

    return run


def test_two_processes_equal_one_also_where_one_of_them_has_nothing_to_learn_from(on_both: Any, tmp_path: Path) -> None:
    """Of three steps, the first brings the second process nothing, the second brings nothing to anybody."""

    def learn(ranks: Ranks) -> tuple[float, bool]:
        task = Slope()
        trainer(task, [[2.0], [0.0], [4.0]] if ranks.first else [[0.0], [0.0], [1.0]], tmp_path, ranks=ranks).train()
        return task.weight, task.network.idle.grad is None

    alone = Slope()
    trainer(alone, [[2.0, 0.0], [0.0, 0.0], [4.0, 1.0]], tmp_path / "alone").train()
    assert on_both(learn) == [(alone.weight, True)] * 2


def test_processes_stop_at_the_same_step_though_only_one_was_asked(
    on_both: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = threading.local()

    class Stopping(nullcontext[Any]):
        def __init__(self, in_hand: str) -> None:
            asked.here = threading.Event()
            super().__init__(SimpleNamespace(asked=asked.here))

    monkeypatch.setattr(loop, "Stopping", Stopping)

    def learn(ranks: Ranks) -> list[float]:
        task, seen = Slope(), []

        def lose(faces: Faces) -> Terms:
            seen.append(float(faces.gt.mean()))
            if seen[-1] == 2 and not ranks.first:
                asked.here.set()
            return task.lose(faces)

        task.phases = lambda: [Phase("slope", "slope", lose)]  # type: ignore[method-assign]
        with pytest.raises(KeyboardInterrupt):
            trainer(task, [[1.0], [2.0], [3.0]], tmp_path, ranks=ranks).train()
        return seen

    assert on_both(learn) == [[1, 2], [1, 2]]
    assert [int(place.name) for place in checkpoint.all_of(tmp_path)] == [2]


def test_what_a_task_learns_of_a_step_is_what_all_processes_saw(on_both: Any, tmp_path: Path) -> None:
    class Watched(Slope):
        def __init__(self) -> None:
            super().__init__()
            self.told: list[dict[str, float]] = []

        def lose(self, faces: Faces) -> Terms:
            terms = super().lose(faces)
            return {**terms, "brought": faces.gt.mean()} if terms else {}

        def after_step(self, images: int, stats: dict[str, float]) -> None:
            self.told.append(dict(stats))

    def learn(ranks: Ranks) -> list[dict[str, float]]:
        task = Watched()
        trainer(task, [[2.0], [0.0]] if ranks.first else [[4.0], [3.0]], tmp_path, ranks=ranks).train()
        return task.told

    alone = Watched()
    trainer(alone, [[2.0, 4.0], [0.0, 3.0]], tmp_path / "alone").train()
    assert on_both(learn) == [alone.told] * 2
    assert [stats["slope/brought"] for stats in alone.told] == [3, 3]
    assert alone.weight == -3 + (-1.5 - 1.5), "what is only watched moves nothing"


def test_files_that_any_process_cannot_read_count_together(on_both: Any, tmp_path: Path) -> None:
    def learn(ranks: Ranks) -> str:
        steps = [[[2.0], [1.0], [1.0]], [[4.0], [3.0], [3.0]]][ranks.rank]
        training = trainer(Slope(), steps, tmp_path, ranks=ranks, unreadable=2)
        feed = training.feed
        names = iter([["a"], ["b", f"c-{ranks.rank}"], []])
        training.feed = lambda images: (  # type: ignore[assignment, misc]
            [(number, faces, tuple(bad)) for number, faces, _ in step]
            for step, bad in zip(feed(images), names, strict=False)
        )
        with pytest.raises(InputError, match="4 images cannot be read, the last c-1"):
            training.train()
        return " ".join(training.clock.unreadable)

    assert on_both(learn) == ["a b c-0 c-1"] * 2
