"""What the gate says: one outcome a cell, and one verdict over all."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any, Literal, TypeAlias

from bfrbench.gate.cells import Cell

Outcome: TypeAlias = Literal["pass", "regression", "suspicious", "inconclusive", "skipped"]
"""`suspicious` is a gain above `max_gain`; `skipped` was not judged and counts for nothing."""


@dataclass(frozen=True, slots=True)
class Judged:
    """One cell: what was seen, what was allowed, and what could have been seen."""

    metric: str
    place: str
    outcome: Outcome
    why: str
    n: int = 0
    """Images compared in pairs."""
    baseline: float | None = None
    candidate: float | None = None
    drop: float | None = None
    """How much worse the candidate is, in the metric's own unit and direction: positive is worse."""
    low: float | None = None
    """The drop is at least this, for all cells of the gate at once."""
    visible: float | None = None
    """The smallest drop that would have been told from none nine times out of ten."""
    allowed: float | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """All cells, and whatever is wrong with the run as a whole."""

    board: str
    candidate: str
    baseline: str
    level: float
    cells: tuple[Judged, ...]
    problems: tuple[str, ...] = ()

    @property
    def outcome(self) -> Literal["pass", "regression", "inconclusive"]:
        outcomes = {cell.outcome for cell in self.cells}
        if self.problems or outcomes & {"regression", "suspicious"}:
            return "regression"
        return "pass" if outcomes & {"pass"} and "inconclusive" not in outcomes else "inconclusive"

    def of(self, *outcomes: Outcome) -> list[Judged]:
        return [cell for cell in self.cells if cell.outcome in outcomes]

    def dump(self) -> dict[str, Any]:
        return {"outcome": self.outcome, **asdict(self)}


@dataclass(frozen=True, slots=True)
class Seen:
    """What the data say of one cell, before any rule."""

    n: int
    baseline: float
    candidate: float
    drop: float
    low: float
    visible: float
    gain_low: float | None = None
    """The gain is at least this; None where no rule asks."""
    lost: int = 0


def decide(cell: Cell, seen: Seen, *, ideal: float | None, higher_is_better: bool, may_lose: float) -> Judged:
    """The rule of a cell against what was seen there."""
    rule = cell.rule
    scale = _finite(abs(seen.baseline)) if rule.relative else 1.0
    allowed = _share(rule.max_drop, scale)
    if not math.isfinite(seen.drop) or math.isnan(seen.low) or math.isnan(seen.visible):
        outcome, why = _too_few(seen.n)
    elif scale is None and (rule.max_drop, rule.max_gain) != (None, None):
        outcome, why = _no_share()
    else:
        outcome, why = _by_drop(seen, allowed)
    believed = _share(rule.max_gain, scale)
    if believed is not None and (seen.gain_low or 0.0) > 0 and -seen.drop > believed:
        outcome, why = (
            "suspicious",
            f"better by {-seen.drop:.4g}, and more than {believed:.4g} is not believed",
        )
    if rule.floor is not None and _beyond(seen.candidate, rule.floor, ideal, higher_is_better):
        outcome, why = "regression", f"{seen.candidate:.5g} is beyond the floor of {rule.floor:g}"
    if seen.lost > may_lose * (seen.n + seen.lost):
        outcome, why = (
            "regression",
            f"{seen.lost} images have no number, or no longer equal the truth, as they did before",
        )
    return Judged(
        metric=cell.metric,
        place=cell.place,
        outcome=outcome,
        why=why,
        n=seen.n,
        baseline=_finite(seen.baseline),
        candidate=_finite(seen.candidate),
        drop=_finite(seen.drop),
        low=_finite(seen.low),
        visible=_finite(seen.visible),
        allowed=allowed,
    )


def _too_few(n: int) -> tuple[Outcome, str]:
    return "inconclusive", f"{n or 'no'} images have a number on both sides, which is too few"


def _no_share() -> tuple[Outcome, str]:
    told = "the baseline has no number here, and the rule allows a share of it: write relative = false, in its unit"
    return "inconclusive", told


def _share(limit: float | None, scale: float | None) -> float | None:
    """A rule's limit in the metric's own unit; None where there is no limit, or nothing that it is a share of."""
    return None if limit is None or scale is None else limit * scale


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _by_drop(seen: Seen, allowed: float | None) -> tuple[Outcome, str]:
    if allowed is None:
        return "pass", ""
    if seen.low > 0 and seen.drop > allowed:
        return "regression", f"worse by {seen.drop:.4g}, surely by {seen.low:.4g}, where {allowed:.4g} is allowed"
    surely_below = seen.drop + (seen.drop - seen.low) <= allowed  # a clear gain needs no fine resolution
    if seen.visible > allowed and not surely_below:
        return "inconclusive", f"a drop below {seen.visible:.4g} would not show, and {allowed:.4g} is allowed"
    return "pass", ""


def _beyond(value: float, floor: float, ideal: float | None, higher_is_better: bool) -> bool:
    if ideal is not None:
        return abs(value - ideal) > abs(floor - ideal)
    return value < floor if higher_is_better else value > floor


def not_judged(cell: Cell, why: str) -> Judged:
    """A cell that says nothing: `inconclusive` where a rule names the metric, else `skipped`."""
    return Judged(cell.metric, cell.place, "inconclusive" if cell.rule.metric == cell.metric else "skipped", why)
