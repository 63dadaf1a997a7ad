"""The way out: restored images to rows, one decoding for all metrics, failures woven in where they belong."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from bfrbench.bench import codec, rowtable
from bfrbench.bench.inputs import Prepared
from bfrbench.bench.journal import writing
from bfrbench.bench.restoring import Answer, as_float, device_failed, in_words
from bfrbench.bench.rowtable import ImageRow
from bfrbench.contracts import Row, Scored
from bfrbench.devices import is_lost, is_out_of_memory
from bfrbench.errors import BfrbenchError

if TYPE_CHECKING:
    import pyarrow as pa
    from torch import Tensor

    from bfrbench.bench.lenient import LenientScorer
    from bfrbench.bench.restoring import U8Batch

    Look = Callable[[Scored], dict[str, list[Row]]]


@dataclass
class Scoring:
    """How restored images become rows."""

    scorer: LenientScorer
    codec: str
    device: str
    images: Path | None = None
    """Where restored images are saved, if they are."""
    fits: int | None = None
    """How many images fit into memory together, once more did not."""
    _notes: list[str] = field(default_factory=list)

    def table(self, prepared: Sequence[Prepared], answer: Answer) -> pa.Table:
        """The rows of one batch."""
        sound = [index for index, status in enumerate(answer.statuses) if status == "ok"]
        lost = [index for index, status in enumerate(answer.statuses) if status != "ok"]
        found = self._measure([prepared[index] for index in sound], answer, sound)
        truths = self._truths([prepared[index] for index in lost])
        rows = {name: _woven(prepared, answer, found[name], truths.get(name, ())) for name in found}
        each = answer.seconds / len(prepared)
        images = [_image_row(one, answer, index, each) for index, one in enumerate(prepared)]
        return rowtable.make(images, rows)

    def notes(self) -> list[str]:
        """What went wrong since this was asked last, and how it was got round."""
        said, self._notes = [*self._notes, *self.scorer.notes()], []
        return said

    def _measure(self, prepared: Sequence[Prepared], answer: Answer, sound: list[int]) -> dict[str, list[Row]]:
        if not sound:
            return {metric.rows: [] for metric in self.scorer.metrics}
        restored = codec.through(self.codec, answer.images[sound])
        if self.images is not None:
            with writing(self.images):
                for one, image in zip(prepared, answer.images[sound], strict=True):
                    codec.save(self.images, self.codec, one.id, image)
        return self._fitting(prepared, restored, self.scorer.rows)

    def _truths(self, prepared: Sequence[Prepared]) -> dict[str, list[Row]]:
        """What the ground truth alone says of images that were not restored."""
        import numpy as np

        known = [one.gt for one in prepared if one.gt is not None]
        if not prepared or len(known) < len(prepared) or not self.scorer.keeps_truths:
            return {}
        return self._fitting(prepared, np.stack(known), self.scorer.truths)

    def _fitting(self, prepared: Sequence[Prepared], restored: U8Batch, look: Look) -> dict[str, list[Row]]:
        """The rows of some images, as many at a time as fit into memory."""
        count = len(prepared)
        middle = (count + 1) // 2
        if self.fits is None or count <= self.fits:
            try:
                return self._rows(prepared, restored, look)
            except Exception as error:
                if is_lost(error):
                    raise BfrbenchError(*device_failed(in_words(error))) from error
                if count == 1 or not is_out_of_memory(error):
                    raise
                self._notes.append(f"scoring {count} images at once does not fit into memory; halved")
                self.fits = middle
            self._free_memory()  # here nothing holds the tensors that did not fit
        parts = (slice(middle), slice(middle, None))
        first, second = (self._fitting(prepared[part], restored[part], look) for part in parts)
        return {name: first[name] + second[name] for name in first}

    def _free_memory(self) -> None:
        if self.device.startswith("cuda"):
            import torch

            torch.cuda.empty_cache()

    def _rows(self, prepared: Sequence[Prepared], restored: U8Batch, look: Look) -> dict[str, list[Row]]:
        import numpy as np

        truths = [one.gt for one in prepared if one.gt is not None]
        draws = tuple(one.draw for one in prepared if one.draw is not None)
        return look(
            Scored(
                tuple(one.id for one in prepared),
                self._tensor(np.stack([one.lq for one in prepared])),
                self._tensor(restored),
                gt=self._tensor(np.stack(truths)) if truths else None,
                draws=draws or None,
                points=tuple(one.points for one in prepared),
            )
        )

    def _tensor(self, images: U8Batch) -> Tensor:
        return as_float(images, self.device)


def _woven(prepared: Sequence[Prepared], answer: Answer, measured: Sequence[Row], truths: Sequence[Row]) -> list[Row]:
    """The rows of the images that were measured, and of those that could not be, in order."""
    known = {row.id: row.feature for row in truths}
    rows = iter(measured)
    return [
        next(rows) if status == "ok" else Row(one.id, status, feature=known.get(one.id))
        for one, status in zip(prepared, answer.statuses, strict=True)
    ]


def _image_row(one: Prepared, answer: Answer, index: int, seconds: float) -> ImageRow:
    pose = one.pose
    return ImageRow(
        id=one.id,
        status=answer.statuses[index],
        input=one.digest,
        identity=one.identity,
        severity=one.severity,
        yaw=None if pose is None else pose.yaw,
        pitch=None if pose is None else pose.pitch,
        roll=None if pose is None else pose.roll,
        seconds=seconds,
    )
