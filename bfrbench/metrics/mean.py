"""The finaliser of metrics that give one number per image: their mean, the same in whatever order and grouping."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from bfrbench.contracts import Row, Status
from bfrbench.metrics.finaliser import Context, Failure, Finaliser, Value


@dataclass(frozen=True, slots=True)
class Numbers:
    """The finite values, how many were infinite (identical pairs), and the failures by reason."""

    values: tuple[float, ...] = ()
    identical: int = 0
    failed: Counter[Status] = field(default_factory=Counter)


class Mean(Finaliser[Numbers]):
    """The mean over images. Identical pairs (infinite PSNR) are counted and left out; failures score `failure`."""

    def __init__(self, failure: Failure) -> None:
        self.failure = failure

    def fold(self, rows: Iterable[Row]) -> Numbers:
        values: list[float] = []
        identical, failed = 0, Counter[Status]()
        for row in rows:
            if row.status != "ok":
                failed[row.status] += 1
            elif row.value is None or math.isnan(row.value):
                failed["nan"] += 1
            elif math.isinf(value := self.of(row.value)):
                identical += 1
            else:
                values.append(value)
        return Numbers(tuple(values), identical, failed)

    def merge(self, first: Numbers, second: Numbers) -> Numbers:
        return Numbers(first.values + second.values, first.identical + second.identical, first.failed + second.failed)

    def value(self, state: Numbers, context: Context) -> Value:
        values = list(state.values)
        if self.failure != "leave-out":
            values += [self.failure] * state.failed.total()
        extra: dict[str, float] = {"identical": state.identical} if state.identical else {}
        failed = dict(state.failed)
        if not values:
            note = "every pair is identical" if state.identical else "no image could be measured"
            return Value(None, 0, failed, extra, note)
        return Value(self.combine(values), len(values), failed, extra)

    def each(self, row: Row) -> float:
        """What a row adds to the mean: NaN where it is left out, infinite where its pair is identical."""
        if row.status != "ok" or row.value is None or math.isnan(row.value):
            return math.nan if self.failure == "leave-out" else self.failure
        return self.of(row.value)

    def of(self, value: float) -> float:
        """What of a row's value is averaged; infinite for a pair that counts as identical."""
        return value

    def combine(self, values: list[float]) -> float:
        return math.fsum(values) / len(values)
