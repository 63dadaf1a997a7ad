"""Intervals for the numbers of a scorecard: which of the methods in `bfrbench.stats` belongs to which metric."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from bfrbench.bench.scorecard import Measured
from bfrbench.contracts import Row
from bfrbench.errors import TooLittleMeasured
from bfrbench.metrics import Context, ProtocolMetric, Value
from bfrbench.metrics.features import failures
from bfrbench.metrics.mean import Mean

if TYPE_CHECKING:
    from bfrbench.stats.bits import Floats, Ints

LEVEL = 0.95
SHARE = "share"
"""The unit of metrics whose rows are hits and misses: theirs is a rate's interval, which all hits do not collapse."""
RESAMPLES = 2000
SUBSETS = 100
FEWEST_FOR_DISTANCE = 500
"""Below this many images a bin shows no distance between distributions: it would be bias and little else."""


def is_mean(metric: ProtocolMetric) -> bool:
    """Whether the number is a mean over images, and not a distance between distributions."""
    return isinstance(metric.kind.finaliser, Mean)


def steps_of(metric: ProtocolMetric) -> int:
    """How many steps the number of one metric and its interval take at most."""
    return 1 if is_mean(metric) else 1 + SUBSETS


def measured(
    metric: ProtocolMetric,
    rows: Sequence[Row],
    context: Context,
    *,
    held: Floats | None = None,
    interval: bool = True,
    step: Callable[[], None] = lambda: None,
) -> Measured:
    """The number of one metric over some images, with its interval where one can be had; `held` is what
    `Finaliser.held` gives of them, where that is known already; `step` is called after each part of the work."""
    finaliser = metric.kind.finaliser
    value = finaliser.value(finaliser.fold(rows), context)
    step()
    if value.value is None or not math.isfinite(value.value):
        return _shown(value, value.note or f"the value is {value.value}")
    if not interval:
        return _shown(value, value.note)
    return _with_interval(value, partial(_interval, metric, rows, context, value.value, held, step))


def measured_at(whole: Measured, numbers: Floats, rows: Sequence[Row], context: Context) -> Measured:
    """The number over some images as the whole set's has it, by their `numbers` (see `Finaliser.held`)."""
    kept, failed = numbers[~np.isnan(numbers)], failures(rows)
    if not len(kept):
        return _shown(Value(None, 0, failed), whole.note or "no image could be measured")
    value = Value(float(kept.mean()), len(kept), failed, whole.extra)
    return _with_interval(value, partial(_held, numbers, rows, context))


def _with_interval(value: Value, interval: Callable[[], tuple[float, float]]) -> Measured:
    try:
        low, high = interval()
    except TooLittleMeasured as error:
        return _shown(value, value.note or f"no interval: {error.problem}")
    return _shown(value, value.note, low, high)


def _shown(value: Value, note: str, low: float | None = None, high: float | None = None) -> Measured:
    return Measured(
        value=rounded(value.value),
        low=rounded(low),
        high=rounded(high),
        level=None if low is None else LEVEL,
        n=value.n,
        failed={str(status): count for status, count in sorted(value.failed.items())},
        extra={name: rounded(number) or 0.0 for name, number in value.extra.items()},
        note=note,
    )


def rounded(value: float | None, digits: int = 10) -> float | None:
    """Ten digits: what a sum keeps whatever the number of threads that a linear-algebra library takes."""
    if value is None or not math.isfinite(value):
        return None
    return float(f"{value:.{digits}g}")


def _interval(
    metric: ProtocolMetric,
    rows: Sequence[Row],
    context: Context,
    value: float,
    held: Floats | None,
    step: Callable[[], None],
) -> tuple[float, float]:
    if is_mean(metric):
        return _mean(metric, rows, context)
    numbers = metric.kind.finaliser.held(rows, context) if held is None else held
    return _distance(metric, rows, context, value, step) if numbers is None else _held(numbers, rows, context)


def _held(numbers: Floats, rows: Sequence[Row], context: Context) -> tuple[float, float]:
    """Of a mean over images once what they are held against is fixed, such as a threshold."""
    from bfrbench.stats import mean_estimate, rate_estimate

    kept = np.flatnonzero(~np.isnan(numbers))
    values, people = numbers[kept], [context.identities.get(rows[int(index)].id) for index in kept]
    hits = len(values) > 1 and bool(np.isin(values, (0.0, 1.0)).all())
    estimate = rate_estimate(values, people, level=LEVEL) if hits else mean_estimate(values, people, level=LEVEL)
    return estimate.interval.low, estimate.interval.high


def _mean(metric: ProtocolMetric, rows: Sequence[Row], context: Context) -> tuple[float, float]:
    """People resampled; the images that the mean leaves out are left out here too."""
    from bfrbench.stats import mean_estimate, rate_estimate

    finaliser = metric.kind.finaliser
    assert isinstance(finaliser, Mean)
    kept = [(number, row.id) for row in rows if math.isfinite(number := finaliser.each(row))]
    values, people = [number for number, _ in kept], [context.identities.get(name) for _, name in kept]
    if len(values) > 1 and metric.unit == SHARE:
        interval = rate_estimate(values, people, level=LEVEL).interval
    else:
        interval = mean_estimate(values, people, level=LEVEL, resamples=RESAMPLES).interval
    return _combined(finaliser, interval.low), _combined(finaliser, interval.high)


def _combined(finaliser: Mean, end: float) -> float:
    """An end of the mean's interval as the metric shows its mean (a root, for some)."""
    if type(finaliser).combine is Mean.combine:
        return end
    return finaliser.combine([max(end, 0.0)])


def _distance(
    metric: ProtocolMetric, rows: Sequence[Row], context: Context, value: float, step: Callable[[], None]
) -> tuple[float, float]:
    """Subsets of people, centred on the point estimate."""
    from bfrbench.stats import subsample_estimate

    people = [context.identities.get(row.id) for row in rows]
    over = metric.kind.finaliser.over(rows, context)

    def statistic(positions: Ints) -> float:
        number: float = over(positions)
        step()
        return number

    estimate = subsample_estimate(statistic, len(rows), people, level=LEVEL, resamples=SUBSETS, whole=value)
    return estimate.interval.low, estimate.interval.high
