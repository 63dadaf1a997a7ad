"""When a batch fails: find the images that cannot be restored, and say what was done.

Two kinds of failure are told apart by what they cost. A restorer that raises, or that does not fit into memory, is
asked again for halves, and later batches start at the size that fitted. One that hangs or dies costs a time limit or
a new start each time, so it is asked for each image alone, and only so often: see `Recovering`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from bfrbench.bench.restoring import Answer, BatchFailed, Engine, Request
from bfrbench.errors import RestorerError

if TYPE_CHECKING:
    from bfrbench.contracts import Status

TRIES = 4
"""How often a restorer that has not answered yet may hang or die before it counts as one that cannot be made."""
_LOST = ("timeout", "crash")
_GIVEN_UP = "not asked: the restorer hung or died on more images than the board allows to fail"


class Recovering:
    """An engine behind which no batch fails as a whole without need.

    `patience` is how many images may hang or kill the restorer; it is no less than what the board allows to fail, so
    with one more the run has failed, and no image is asked for any more. `landed` tells how many images of the run
    had timed out before and elsewhere, `answered` whether any had been restored there. At most
    2 × (patience + 1) + log2(batch) requests end in a time limit here.
    """

    def __init__(
        self,
        engine: Engine,
        *,
        patience: int,
        landed: Callable[[], int] = lambda: 0,
        answered: Callable[[], bool] = lambda: False,
    ) -> None:
        self.engine, self.patience = engine, patience
        self.fits: int | None = None
        self._landed, self._answered_elsewhere = landed, answered
        self._lost: int | None = None
        self._answered, self._tries = False, 0

    def restore(self, request: Request) -> Answer:
        """Every image of the request, with what became of it."""
        count = len(request.ids)
        if self._lost is not None and self._lost > self.patience:
            return _failed(request, "timeout", _GIVEN_UP)
        if self.fits is not None and count > self.fits:
            return self._halves(request, [f"{count} images at once were too many before"])
        try:
            answer = self.engine.restore(request)
        except BatchFailed as failure:
            return self._after(request, failure)
        self._answered = True
        return answer

    def _after(self, request: Request, failure: BatchFailed) -> Answer:
        count = len(request.ids)
        said = f"{_named(request)}: {failure.reason}"
        if failure.cause in _LOST:
            self._count_try(failure)
            return self._each(request, f"{said}; asked one by one") if count > 1 else self._lose(request, failure, said)
        self._answered = True
        if count == 1:
            return _failed(request, failure.status, said)
        if failure.cause == "memory":
            self.fits = min(self.fits or count, (count + 1) // 2)
        return self._halves(request, [f"{said}; halved"])

    def _count_try(self, failure: BatchFailed) -> None:
        if self._lost is None:
            self._lost = self._landed()
        self._tries += 1
        if self._tries >= TRIES and not self._answered:
            self._answered = self._answered_elsewhere()
        if self._tries >= TRIES and not self._answered:
            problem = f"the restorer has not answered once in {TRIES} tries (the last: {failure.reason})"
            raise RestorerError(problem, "try it with 'bfrbench plugins check', or raise --time-limit if it is slow")

    def _each(self, request: Request, said: str) -> Answer:
        """One by one: an image that hangs costs two time limits, where halving a batch of eight costs four."""
        before, count = self._lost, len(request.ids)
        answer = self.restore(request.part(0, 1))
        for index in range(1, count):
            answer = _joined(answer, self.restore(request.part(index, index + 1)))
        if self._lost == before:  # it was not an image, so it was the size
            self.fits = (count + 1) // 2
        return _noted(answer, [said])

    def _lose(self, request: Request, failure: BatchFailed, said: str) -> Answer:
        self._lost = (self._lost or 0) + 1
        if self._lost > self.patience:
            told = f"the restorer hung or died on {self._lost} images: the run has failed, and no more are asked"
            print(told, file=sys.stderr, flush=True)
        return _failed(request, failure.status, said)

    def _halves(self, request: Request, notes: list[str]) -> Answer:
        middle = (len(request.ids) + 1) // 2
        first, second = request.part(0, middle), request.part(middle, len(request.ids))
        return _noted(_joined(self.restore(first), self.restore(second)), notes)


def _failed(request: Request, status: Status, said: str) -> Answer:
    import numpy as np

    return Answer(np.zeros_like(request.lq), (status,) * len(request.ids), 0.0, notes=(said,))


def _noted(answer: Answer, notes: list[str]) -> Answer:
    return replace(answer, notes=(*notes, *answer.notes))


def _joined(first: Answer, second: Answer) -> Answer:
    import numpy as np

    return Answer(
        np.concatenate([first.images, second.images]),
        first.statuses + second.statuses,
        first.seconds + second.seconds,
        max(first.memory, second.memory),
        first.notes + second.notes,
        first.macs or second.macs,
    )


def _named(request: Request) -> str:
    first = request.ids[0]
    return f"image {first!r}" if len(request.ids) == 1 else f"{len(request.ids)} images from {first!r}"
