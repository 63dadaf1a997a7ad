"""What a board asks of its numbers: breakdowns, the ranking, and the rules that the gate applies."""

from __future__ import annotations

import itertools
from typing import Annotated, Literal, TypeAlias

import pydantic

from bfrbench.config import Frozen

Axis: TypeAlias = Literal["severity", "yaw", "pitch", "roll", "identity"]


class Breakdown(Frozen):
    """The same metrics over groups of images."""

    by: Axis
    edges: tuple[float, ...] = ()
    """Borders between bins, rising: k borders make k + 1 bins, and a value on a border belongs to the bin above it."""
    absolute: bool = False
    """Bins of |value|: left and right profiles together."""
    groups: int | None = None
    """For `identity`: people are dealt into this many groups by a keyed digest of their name."""

    @pydantic.model_validator(mode="after")
    def _makes_sense(self) -> Breakdown:
        if self.by == "identity":
            if self.groups is None or self.groups < 2 or self.edges:
                raise ValueError("a breakdown by identity needs groups = 2 or more, and no edges")
        elif not self.edges or self.groups is not None:
            raise ValueError(f"a breakdown by {self.by} needs edges, and no groups")
        if any(low >= high for low, high in itertools.pairwise(self.edges)):
            raise ValueError("edges must rise")
        return self

    @property
    def bins(self) -> tuple[str, ...]:
        """The names of the bins, in order: `<20`, `20..25`, `>=25`; groups are `1` to `k`."""
        if self.groups is not None:
            return tuple(str(index + 1) for index in range(self.groups))
        names = [f"{edge:g}" for edge in self.edges]
        middle = [f"{low}..{high}" for low, high in itertools.pairwise(names)]
        return (f"<{names[0]}", *middle, f">={names[-1]}")

    @property
    def title(self) -> str:
        return f"|{self.by}|" if self.absolute else self.by


class GateRule(Frozen):
    """How much worse a candidate may be than the baseline; the most specific rule wins."""

    metric: str = "*"
    breakdown: str | None = None
    """The title of a breakdown, for example `|yaw|`; None for the whole set."""
    bin: str | None = None
    max_drop: Annotated[float, pydantic.Field(ge=0)] | None = None
    """In the metric's own direction: positive means worse."""
    relative: bool = False
    """`max_drop` and `max_gain` are shares of the baseline's value."""
    floor: float | None = None
    """No value may be worse than this, whatever the baseline."""
    max_gain: Annotated[float, pydantic.Field(ge=0)] | None = None
    """A gain above this is suspicious."""

    @pydantic.model_validator(mode="after")
    def _makes_sense(self) -> GateRule:
        if self.bin is not None and self.breakdown is None:
            raise ValueError("a rule for a bin must name its breakdown")
        if self.max_drop is None and self.floor is None and self.max_gain is None:
            raise ValueError("a rule needs max_drop, floor or max_gain")
        return self


class Ranking(Frozen):
    """What the leaderboard is ordered by."""

    metric: str
