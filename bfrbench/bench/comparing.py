"""Two scorecards side by side: whether they may be compared at all, and what differs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from bfrbench.bench.scorecard import MetricResult, Scorecard
from bfrbench.errors import NotComparable


@dataclass(frozen=True, slots=True)
class Difference:
    """One number in both."""

    metric: str
    breakdown: str
    bin: str
    first: float | None
    second: float | None
    better: bool | None
    """Whether the second is better; None when they are equal or one is missing. No test: see the gate for that."""


def check_comparable(first: Scorecard, second: Scorecard) -> None:
    """Raise `NotComparable` with the reasons, unless both rest on the same choices and the same images."""
    if reasons := list(_obstacles(first, second)):
        raise NotComparable(f"the two scorecards do not compare: {'; '.join(reasons)}", "run both on the same board")


def _obstacles(first: Scorecard, second: Scorecard) -> Iterator[str]:
    ours, theirs = first.results, second.results
    if ours.board_digest != theirs.board_digest:
        parts = ("dataset", "degradation", "protocol")
        differ = [part for part in parts if getattr(ours, f"{part}_digest") != getattr(theirs, f"{part}_digest")]
        named = ours.board if ours.board == theirs.board else f"{ours.board} and {theirs.board}"
        yield f"the boards differ ({named}: {', '.join(differ) or 'size, seed, codec or breakdowns'})"
    for name, result in ours.metrics.items():
        other = theirs.metrics.get(name)
        if other is not None and other.reference_digest != result.reference_digest:
            yield f"{name} compares with other statistics of {result.reference}"
    measured = first.provenance.weights, second.provenance.weights
    if unlike := [name for name in measured[0] if measured[1].get(name, measured[0][name]) != measured[0][name]]:
        yield f"metrics measured with other files of {', '.join(unlike)}"
    if ours.images != theirs.images:
        yield f"one has {ours.images} images and the other {theirs.images}"
    elif ours.inputs_digest != theirs.inputs_digest:
        yield "the images that were seen differ"


def differences(first: Scorecard, second: Scorecard) -> list[Difference]:
    """Every number of two comparable scorecards."""
    check_comparable(first, second)
    return list(_differences(first, second))


def _differences(first: Scorecard, second: Scorecard) -> Iterator[Difference]:
    for name, result in first.results.metrics.items():
        other = second.results.metrics.get(name)
        yield _one(name, "all", "all", result.value, other.value if other else None, result)
    cells = {(cell.by, cell.bin): cell for cell in second.results.breakdowns}
    for cell in first.results.breakdowns:
        there = cells.get((cell.by, cell.bin))
        for name, measured in cell.metrics.items():
            same = there.metrics.get(name) if there else None
            result = first.results.metrics[name]
            yield _one(name, cell.by, cell.bin, measured.value, same.value if same else None, result)


def _one(
    metric: str, by: str, where: str, first: float | None, second: float | None, result: MetricResult
) -> Difference:
    better = None
    if first is not None and second is not None and first != second:
        better = goodness(result, second) > goodness(result, first)
    return Difference(metric, by, where, first, second, better)


def goodness(result: MetricResult, value: float) -> float:
    """A number that is larger for a better value, whatever the metric's direction or ideal."""
    if result.ideal is not None:
        return -abs(value - result.ideal)
    return value if result.higher_is_better else -value


def arrow(result: MetricResult) -> str:
    """Where better lies."""
    if result.ideal is not None:
        return f"→{result.ideal:g}"
    return "↑" if result.higher_is_better else "↓"


def surroundings(first: Scorecard, second: Scorecard) -> list[tuple[str, str, str]]:
    """What else differs: versions, device, restorer, layout."""
    found = []
    for section in ("provenance", "results"):
        ours, theirs = (getattr(card, section).model_dump(mode="json") for card in (first, second))
        if section == "results":
            ours, theirs = ({"restorer": side["restorer"], "status": side["status"]} for side in (ours, theirs))
        ours, theirs = dict(_flat(ours)), dict(_flat(theirs))
        for key in sorted({*ours, *theirs} - {"created"}):
            if ours.get(key) != theirs.get(key):
                found.append((key, str(ours.get(key)), str(theirs.get(key))))
    return found


def _flat(data: object, at: str = "") -> Iterator[tuple[str, object]]:
    if isinstance(data, dict):
        for key, value in data.items():
            yield from _flat(value, f"{at}.{key}" if at else str(key))
    else:
        yield at, data
