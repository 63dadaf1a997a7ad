"""Verification rate: how often a face recogniser would still let the restored person in as themselves.

The threshold is set on ground truth against ground truth of other people, of images that were not restored too, so it
does not depend on the restorer: it is held fixed for every part of a set, and the rate is then a mean over images.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import Field

from bfrbench.contracts import Row
from bfrbench.metrics.features import Table
from bfrbench.metrics.finaliser import Context, Failure, Finaliser, Value
from bfrbench.metrics.identity import IdentityChoices, IdentityKind

if TYPE_CHECKING:
    import numpy.typing as npt

    from bfrbench.stats.bits import Floats, Ints

_BLOCK = 512
"""Ground truths whose cosines to all others are held at once."""


class VerificationChoices(IdentityChoices):
    """What verification has to choose besides."""

    false_accepts: float = Field(gt=0, lt=1, description="the share of pairs of different people that may pass")


def threshold(truth: npt.NDArray[Any], people: Sequence[str], false_accepts: float) -> tuple[float, int]:
    """The cosine that this share of pairs of different people exceeds, and the number of such pairs.

    Only the cosines at and above it are kept, so memory grows with the share and not with all pairs.
    """
    _, person, sizes = np.unique(people, return_inverse=True, return_counts=True)
    pairs = (len(person) ** 2 - int(np.square(sizes.astype(np.int64)).sum())) // 2
    if not pairs:
        return np.nan, 0
    place = (pairs - 1) * (1 - false_accepts)
    below = min(int(place), pairs - 1)
    either_side = _largest(truth, person, pairs - below)[:2]
    return float(np.quantile(either_side, place - below)), pairs


def _largest(truth: npt.NDArray[Any], person: Ints, count: int) -> npt.NDArray[Any]:
    """The `count` largest cosines between different people, in no order but that the two smallest stand first."""
    kept = np.empty(0, truth.dtype)
    for start in range(0, len(truth), _BLOCK):
        cosines = truth[start : start + _BLOCK] @ truth[start:].T
        other = person[start : start + _BLOCK, None] != person[None, start:]
        found = cosines[np.triu(other, 1)]
        if len(kept) == count:
            found = found[found > kept.min()]
        kept = np.concatenate([kept, found])
        if len(kept) > count:
            kept = np.partition(kept, -count)[-count:]
    return np.partition(kept, min(1, count - 1))


@dataclass(frozen=True)
class Faces:
    """Both embeddings of each sound row, and the ground truth's of every row that has it."""

    pairs: Table
    truths: Table

    @classmethod
    def of(cls, rows: Iterable[Row]) -> Faces:
        rows = list(rows)
        return cls(Table.of(rows, (2, -1)), Table.of(map(_truth, rows), (1, -1)))


def _truth(row: Row) -> Row:
    if row.feature is None:
        return row
    return Row(row.id, feature=row.feature.reshape(2 if row.status == "ok" else 1, -1)[-1:])


class VerificationRate(Finaliser[Faces]):
    """The share of images accepted as their own person; a face that was not found is not accepted."""

    def __init__(self, failure: Failure, false_accepts: float) -> None:
        self._failure, self._false_accepts = failure, false_accepts

    def fold(self, rows: Iterable[Row]) -> Faces:
        return Faces.of(rows)

    def merge(self, first: Faces, second: Faces) -> Faces:
        return Faces(first.pairs.merge(second.pairs), first.truths.merge(second.truths))

    def value(self, state: Faces, context: Context) -> Value:
        found = state.pairs
        failed = dict(found.failed)
        if not found.n:
            return Value(None, 0, failed, note="no image could be measured")
        limit, pairs = self._threshold(state, context)
        if np.isnan(limit):
            note = f"{pairs} pairs of different people cannot set a rate of {self._false_accepts:g}"
            return Value(None, found.n, failed, note=note)
        accepted = _accepted(found, limit).tolist()
        if self._failure != "leave-out":
            accepted += [self._failure] * found.failed.total()
        return Value(float(np.mean(accepted)), len(accepted), failed, {"threshold": limit, "other_pairs": float(pairs)})

    def held(self, rows: Sequence[Row], context: Context) -> Floats:
        state = self.fold(rows)
        numbers = np.full(len(rows), np.nan if self._failure == "leave-out" else self._failure)
        if not state.pairs.n or np.isnan(limit := self._threshold(state, context)[0]):
            return np.full(len(rows), np.nan)
        at = state.pairs.places(rows)
        numbers[at >= 0] = _accepted(state.pairs, limit)[at[at >= 0]]
        return numbers

    def exactly(self, rows: Sequence[Row], context: Context) -> Callable[[Ints], float]:
        numbers = self.held(rows, context)

        def rate(positions: Ints) -> float:
            chosen = numbers[positions]
            chosen = chosen[~np.isnan(chosen)]
            return float(chosen.mean()) if len(chosen) else float("nan")

        return rate

    def _threshold(self, state: Faces, context: Context) -> tuple[float, int]:
        """NaN where the pairs are too few to set it."""
        people = [context.identities.get(name, name) for name in state.truths.ids]
        limit, pairs = threshold(state.truths.side(0), people, self._false_accepts)
        return (limit if pairs * self._false_accepts >= 1 else np.nan), pairs


def _accepted(pairs: Table, limit: float) -> Floats:
    passed: Floats = (np.einsum("nd,nd->n", pairs.side(0), pairs.side(1)) > limit).astype(np.float64)
    return passed


class Verification(IdentityKind[VerificationChoices]):
    """Needs people's names only to know which pairs are of different people."""

    Choices = VerificationChoices

    @property
    def finaliser(self) -> Finaliser[Faces]:
        return VerificationRate(self.failure, self.choices.false_accepts)
