"""When a batch fails: halve it until the images that cannot be restored stand alone, and say what was done.

A batch that does not fit into memory is halved the same way, and later ones start at the size that fitted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bfrbench.bench.restoring import Answer, BatchFailed, Engine, Request

if TYPE_CHECKING:
    from bfrbench.contracts import Status


class Recovering:
    """An engine behind which no batch fails as a whole without need.

    `patience` is how many images may time out before hanging batches are no longer taken apart: the run has
    failed by then, and each further try would cost another time limit.
    """

    def __init__(self, engine: Engine, *, patience: int) -> None:
        self.engine, self.patience = engine, patience
        self.fits: int | None = None
        self._timed_out = 0

    def restore(self, request: Request) -> Answer:
        """Every image of the request, with what became of it."""
        count = len(request.ids)
        if self.fits is not None and count > self.fits:
            return self._parts(request, [f"{count} images at once did not fit into memory before"])
        try:
            return self.engine.restore(request)
        except BatchFailed as failure:
            return self._after(request, failure)

    def _after(self, request: Request, failure: BatchFailed) -> Answer:
        count = len(request.ids)
        said = f"{_named(request)}: {failure.reason}"
        if failure.cause == "timeout":
            self._timed_out += 1 if count == 1 else 0
            if count > 1 and self._timed_out > self.patience:
                self._timed_out += count
                return _lost(request, failure.status, said)
        if count == 1:
            return _lost(request, failure.status, said)
        if failure.cause == "memory":
            self.fits = min(self.fits or count, (count + 1) // 2)
        return self._parts(request, [f"{said}; halved"])

    def _parts(self, request: Request, notes: list[str]) -> Answer:
        middle = (len(request.ids) + 1) // 2
        return _joined(
            self.restore(request.part(0, middle)), self.restore(request.part(middle, len(request.ids))), notes
        )


def _lost(request: Request, status: Status, said: str) -> Answer:
    import numpy as np

    return Answer(np.zeros_like(request.lq), (status,) * len(request.ids), 0.0, notes=(said,))


def _joined(first: Answer, second: Answer, notes: list[str]) -> Answer:
    import numpy as np

    return Answer(
        np.concatenate([first.images, second.images]),
        first.statuses + second.statuses,
        first.seconds + second.seconds,
        max(first.memory, second.memory),
        (*notes, *first.notes, *second.notes),
        first.macs or second.macs,
    )


def _named(request: Request) -> str:
    first = request.ids[0]
    return f"image {first!r}" if len(request.ids) == 1 else f"{len(request.ids)} images from {first!r}"
