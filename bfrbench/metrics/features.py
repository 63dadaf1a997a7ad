"""Rows that carry features, as arrays: in blocks for what streams, whole for what compares every pair."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np

from bfrbench.contracts import Row, Status

if TYPE_CHECKING:
    import numpy.typing as npt

    F32 = npt.NDArray[np.float32]

_BLOCK = 256


def blocks(rows: Iterable[Row], shape: tuple[int, int], failed: Counter[Status]) -> Iterator[tuple[list[str], F32]]:
    """Ids and features (n × sides × d) of sound rows, a block at a time; the others are counted in `failed`.

    Stored rows come back flat: `shape` is what one row's feature is, -1 for what its length tells.
    """
    sound = (row for row in rows if _sound(row, failed))
    while block := list(islice(sound, _BLOCK)):
        features = [row.feature.reshape(shape) for row in block if row.feature is not None]
        yield [row.id for row in block], np.stack(features)


def _sound(row: Row, failed: Counter[Status]) -> bool:
    if row.status != "ok":
        failed[row.status] += 1
    elif row.feature is None or not np.isfinite(row.feature).all():
        failed["nan"] += 1
    else:
        return True
    return False


def failures(rows: Iterable[Row]) -> Counter[Status]:
    """How many of these rows are not sound, by reason."""
    failed = Counter[Status]()
    for row in rows:
        _sound(row, failed)
    return failed


@dataclass(frozen=True)
class Table:
    """Every sound row's id and features, and the failures by reason."""

    ids: tuple[str, ...] = ()
    parts: tuple[F32, ...] = ()
    failed: Counter[Status] = field(default_factory=Counter)

    @classmethod
    def of(cls, rows: Iterable[Row], shape: tuple[int, int]) -> Table:
        failed = Counter[Status]()
        found = list(blocks(rows, shape, failed))
        return cls(tuple(name for ids, _ in found for name in ids), tuple(part for _, part in found), failed)

    def merge(self, other: Table) -> Table:
        return Table(self.ids + other.ids, self.parts + other.parts, self.failed + other.failed)

    @property
    def n(self) -> int:
        return len(self.ids)

    def places(self, rows: Sequence[Row]) -> npt.NDArray[np.intp]:
        """Where each of the rows that this was made from lies in it; -1 for one that failed."""
        kept = {name: place for place, name in enumerate(self.ids)}
        return np.array([kept.get(row.id, -1) for row in rows], dtype=np.intp)

    def side(self, index: int) -> F32:
        """n × d: 0 for restored images, 1 for their ground truth."""
        if not self.parts:
            return np.empty((0, 0), np.float32)
        return np.concatenate([part[:, index] for part in self.parts])
