"""Verification rate: how often a face recogniser would still let the restored person in as themselves.

The threshold is set on ground truth against ground truth of other people, so it does not depend on the restorer.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import Field

from bfrbench.contracts import Row
from bfrbench.metrics.features import Table
from bfrbench.metrics.identity import IdentityChoices, IdentityKind
from bfrbench.metrics.kind import Context, Failure, Finaliser, Value

if TYPE_CHECKING:
    import numpy.typing as npt


class VerificationChoices(IdentityChoices):
    """What verification has to choose besides."""

    false_accepts: float = Field(gt=0, lt=1, description="the share of pairs of different people that may pass")


def threshold(truth: npt.NDArray[Any], people: list[str], false_accepts: float) -> tuple[float, int]:
    """The cosine that this share of pairs of different people exceeds, and the number of such pairs."""
    person = np.unique(people, return_inverse=True)[1]
    cosines = truth @ truth.T
    other = cosines[np.triu(person[:, None] != person[None, :], 1)]
    if not len(other):
        return np.nan, 0
    return float(np.quantile(other, 1 - false_accepts)), len(other)


class VerificationRate(Finaliser[Table]):
    """The share of images accepted as their own person; a face that was not found is not accepted."""

    def __init__(self, failure: Failure, false_accepts: float) -> None:
        self._failure, self._false_accepts = failure, false_accepts

    def fold(self, rows: Iterable[Row]) -> Table:
        return Table.of(rows, (2, -1))

    def merge(self, first: Table, second: Table) -> Table:
        return first.merge(second)

    def value(self, state: Table, context: Context) -> Value:
        failed = dict(state.failed)
        if not state.n:
            return Value(None, 0, failed, note="no image could be measured")
        ours, truth = state.side(0), state.side(1)
        people = [context.identities.get(name, name) for name in state.ids]
        limit, pairs = threshold(truth, people, self._false_accepts)
        if pairs * self._false_accepts < 1:
            note = f"{pairs} pairs of different people cannot set a rate of {self._false_accepts:g}"
            return Value(None, state.n, failed, note=note)
        accepted = (np.einsum("nd,nd->n", ours, truth) > limit).astype(float).tolist()
        if self._failure != "leave-out":
            accepted += [self._failure] * state.failed.total()
        return Value(float(np.mean(accepted)), len(accepted), failed, {"threshold": limit, "other_pairs": float(pairs)})


class Verification(IdentityKind[VerificationChoices]):
    """Needs people's names only to know which pairs are of different people."""

    Choices = VerificationChoices

    @property
    def finaliser(self) -> Finaliser[Table]:
        return VerificationRate(self.failure, self.choices.false_accepts)
