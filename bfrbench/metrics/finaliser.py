"""From rows to one number: what a finaliser gives, what it may be told besides the rows, and what it is."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, Generic, Literal, TypeAlias, TypeVar

from bfrbench.contracts import Row, Status

if TYPE_CHECKING:
    from bfrbench.metrics.reference import Reference
    from bfrbench.stats.bits import Floats, Ints

Failure: TypeAlias = float | Literal["leave-out"]
"""What an image that could not be measured scores, or that it is left out of the number (and counted)."""

S = TypeVar("S")


@dataclass(frozen=True, slots=True)
class Value:
    """One number with what it rests on."""

    value: float | None
    """None when nothing could be measured; `note` then says why."""
    n: int
    """Images that the number rests on."""
    failed: Mapping[Status, int] = field(default_factory=dict)
    """Images that could not be measured, by reason; the protocol says whether they count in `n`."""
    extra: Mapping[str, float] = field(default_factory=dict)
    """What belongs beside the number: identical pairs, the spread over subsets, the size of the reference."""
    note: str = ""


@dataclass(frozen=True, slots=True)
class Context:
    """What a finaliser may be given besides rows."""

    reference: Reference | None = None
    identities: Mapping[str, str] = field(default_factory=dict)
    """The person of each image id, where it is known; an id without one is a person of its own."""

    @property
    def left_out(self) -> dict[str, float]:
        """How many of the images under test the reference held and counts no more, where a protocol says so."""
        ids = None if self.reference is None else self.reference.left_out
        return {} if ids is None else {"left_out": float(len(ids))}


class Finaliser(ABC, Generic[S]):
    """From rows to one number, without looking at images again. States merge, so shards can be folded apart."""

    shares: ClassVar[str] = ""
    """Finalisers that name the same here have the same state for the same rows: it is kept once."""

    @abstractmethod
    def fold(self, rows: Iterable[Row]) -> S: ...

    @abstractmethod
    def merge(self, first: S, second: S) -> S: ...

    @abstractmethod
    def value(self, state: S, context: Context) -> Value: ...

    def held(self, rows: Sequence[Row], context: Context) -> Floats | None:
        """A number for each row (NaN for one left out) whose mean the number is, all else held fixed; None if it is not
        such a mean."""
        return None

    def exactly(self, rows: Sequence[Row], context: Context) -> Callable[[Ints], float]:
        """The number over the rows at some positions, as a scorecard shows it; NaN where there is none."""

        def number(positions: Ints) -> float:
            value = self.value(self.fold([rows[int(index)] for index in positions]), context).value
            return math.nan if value is None else value

        return number

    def over(self, rows: Sequence[Row], context: Context) -> Callable[[Ints], float]:
        """The same for many choices of positions, whose deviations are asked for and not the number itself: of sets
        too large it may be an estimate that deviates from part to part as the number does."""
        return self.exactly(rows, context)
