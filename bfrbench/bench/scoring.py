"""The way out: restored images to rows, one decoding for all metrics, failures woven in where they belong."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bfrbench.bench import codec, rowtable
from bfrbench.bench.inputs import Prepared
from bfrbench.bench.journal import writing
from bfrbench.bench.restoring import Answer, as_float
from bfrbench.bench.rowtable import ImageRow
from bfrbench.contracts import Row, Scored

if TYPE_CHECKING:
    import pyarrow as pa
    from torch import Tensor

    from bfrbench.bench.restoring import U8Batch
    from bfrbench.metrics import Scorer


@dataclass(frozen=True)
class Scoring:
    """How restored images become rows."""

    scorer: Scorer
    codec: str
    device: str
    images: Path | None = None
    """Where restored images are saved, if they are."""

    def table(self, prepared: Sequence[Prepared], answer: Answer) -> pa.Table:
        """The rows of one batch."""
        sound = [index for index, status in enumerate(answer.statuses) if status == "ok"]
        found = self._measure([prepared[index] for index in sound], answer, sound)
        rows = {name: _woven(prepared, answer, sound, some) for name, some in found.items()}
        each = answer.seconds / len(prepared)
        images = [_image_row(one, answer, index, each) for index, one in enumerate(prepared)]
        return rowtable.make(images, rows)

    def _measure(self, prepared: Sequence[Prepared], answer: Answer, sound: list[int]) -> dict[str, list[Row]]:
        if not sound:
            return {metric.rows: [] for metric in self.scorer.metrics}
        import numpy as np

        restored = codec.through(self.codec, answer.images[sound])
        if self.images is not None:
            with writing(self.images):
                for one, image in zip(prepared, answer.images[sound], strict=True):
                    codec.save(self.images, self.codec, one.id, image)
        truths = [one.gt for one in prepared if one.gt is not None]
        draws = tuple(one.draw for one in prepared if one.draw is not None)
        rows: dict[str, list[Row]] = self.scorer.rows(
            Scored(
                tuple(one.id for one in prepared),
                self._tensor(np.stack([one.lq for one in prepared])),
                self._tensor(restored),
                gt=self._tensor(np.stack(truths)) if truths else None,
                draws=draws or None,
                points=tuple(one.points for one in prepared),
            )
        )
        return rows

    def _tensor(self, images: U8Batch) -> Tensor:
        return as_float(images, self.device)


def _woven(prepared: Sequence[Prepared], answer: Answer, sound: list[int], some: Sequence[Row]) -> list[Row]:
    """The rows of the images that were measured, and of those that could not be, in order."""
    measured = dict(zip(sound, some, strict=True))
    return [
        measured[index] if index in measured else Row(one.id, answer.statuses[index])
        for index, one in enumerate(prepared)
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
