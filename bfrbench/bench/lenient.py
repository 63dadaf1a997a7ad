"""A scorer whose metrics may fail: one that raises loses the images on which it does, and no other and not the run.

What is nobody's image ends the run as before: a weight file that is missing, a metric that is given too little, a
device that is lost. Memory that does not suffice is left to `scoring`, which makes the batch smaller.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bfrbench.contracts import Row, Scored
from bfrbench.devices import is_lost, is_out_of_memory
from bfrbench.errors import BfrbenchError, InputError
from bfrbench.metrics.kind import Measure
from bfrbench.metrics.scorer import Scorer, take

if TYPE_CHECKING:
    from bfrbench.weights import WeightStore


class LenientScorer(Scorer):
    """The same numbers; an image on which a metric raises has the status `error` in it."""

    def _open(self, store: WeightStore | None) -> dict[str, Measure]:
        self._lenient = {name: Lenient(name, measure) for name, measure in super()._open(store).items()}
        return dict(self._lenient)

    def notes(self) -> list[str]:
        """What went wrong since this was asked last, in words."""
        said = [note for one in self._lenient.values() for note in one.notes]
        for one in self._lenient.values():
            one.notes.clear()
        return said


@dataclass
class Lenient:
    """One metric's measure. A batch on which it raises is measured again image by image."""

    name: str
    measure: Measure
    notes: list[str] = field(default_factory=list)
    warned: bool = False

    def rows(self, batch: Scored) -> Sequence[Row]:
        count = len(batch.ids)
        try:
            return self._checked(batch)
        except Exception as error:
            if not _is_of_its_images(error, count):
                raise
            self._note(batch, error)
        if count == 1:
            return [Row(batch.ids[0], "error")]
        return [row for index in range(count) for row in self.rows(take(batch, [index]))]

    def _checked(self, batch: Scored) -> Sequence[Row]:
        rows = list(self.measure.rows(batch))
        if [row.id for row in rows] != list(batch.ids):
            raise ValueError(f"it gave {len(rows)} rows, not one for each of {len(batch.ids)} images in their order")
        return rows

    def _note(self, batch: Scored, error: Exception) -> None:
        first, count = batch.ids[0], len(batch.ids)
        where = f"image {first!r}" if count == 1 else f"{count} images from {first!r}, measured again one by one"
        said = f"metric {self.name} raised on {where}: {type(error).__name__}: {' '.join(str(error).split())[:300]}"
        self.notes.append(said)
        if count == 1 and not self.warned:
            self.warned = True
            print(f"{said}; images on which it raises count as `error` in it", file=sys.stderr, flush=True)


def _is_of_its_images(error: Exception, count: int) -> bool:
    if is_out_of_memory(error):
        return count == 1
    if isinstance(error, BfrbenchError):
        return isinstance(error, InputError)
    return not is_lost(error)
