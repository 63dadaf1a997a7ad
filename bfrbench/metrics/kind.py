"""What a metric is made of: choices, rows per image, and a pure finaliser from rows to one number.

A `Kind` is written once per metric; a protocol fixes its choices. It holds no weights and imports no torch
until `open` is called.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Literal, Protocol, TypeAlias, TypeVar

from bfrbench.config import Frozen
from bfrbench.contracts import Row, Scored, Status
from bfrbench.specs import MetricSpec, Need

if TYPE_CHECKING:
    from bfrbench.metrics.reference import Reference
    from bfrbench.stats.bits import Floats, Ints
    from bfrbench.weights import WeightStore

Failure: TypeAlias = float | Literal["leave-out"]
"""What an image that could not be measured scores, or that it is left out of the number (and counted)."""

C = TypeVar("C", bound=Frozen)
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


class Measure(Protocol):
    """Something that looks at images: one row for each id of the batch, in its order."""

    def rows(self, batch: Scored) -> Sequence[Row]: ...


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


class Kind(ABC, Generic[C]):
    """A kind of metric with its choices fixed."""

    Choices: ClassVar[type[Frozen]]
    rows_family: ClassVar[str] = ""
    """Kinds of one family give the same rows when the choices in `row_choices` are equal: they are made once."""
    row_choices: ClassVar[tuple[str, ...] | None] = None
    """The choices that the rows depend on; None for all of them."""
    exact: ClassVar[bool] = False
    """Whether a row is a fact of its image, which another seed of an equal restorer leaves as it is: a gate then
    counts, and asks no statistics."""
    keeps_truth: ClassVar[bool] = False
    """Whether the row of an image that was not restored keeps the feature of its ground truth, because numbers are
    held against the truths of all images."""
    version: ClassVar[int] = 1
    """Raised when the numbers of a kind change for the same choices: it is part of every digest."""

    def __init__(self, spec: MetricSpec, choices: C, failure: Failure) -> None:
        self.spec, self.choices, self.failure = spec, choices, failure

    @property
    def higher_is_better(self) -> bool:
        return self.spec.higher_is_better

    @property
    def needs(self) -> tuple[Need, ...]:
        return self.spec.needs

    @property
    def weights(self) -> tuple[str, ...]:
        """Names of the weight cards that it opens."""
        return ()

    @property
    def weight_digests(self) -> Mapping[str, str | None]:
        """The sha256 that each card states (or as much of it as was published), None where none is known."""
        if not self.weights:
            return {}
        from bfrbench.weights.card import shipped_cards

        cards = shipped_cards()
        known = {name: cards[name] for name in self.weights if name in cards}
        return {name: card.sha256 or card.sha256_prefix for name, card in known.items()}

    @property
    def reference(self) -> str | None:
        """The name of the set whose statistics it compares with; None when it needs none."""
        return None

    @property
    def reference_features(self) -> bool:
        """Whether the reference must have kept the features of its images: statistics of them are not enough."""
        return False

    @property
    def leaves_out_tested(self) -> bool:
        """Whether the images under test are left out of the reference, which may hold them too."""
        return False

    @property
    def rows_key(self) -> Mapping[str, Any]:
        """Plain data that two metrics share exactly when their rows are the same."""
        choices = self.choices.model_dump(mode="json")
        names = self.row_choices if self.row_choices is not None else tuple(choices)
        family = self.rows_family or self.spec.id
        made = {"family": family, "version": self.version, "choices": {name: choices[name] for name in names}}
        return made | {"weights": self.weight_digests}

    @abstractmethod
    def open(self, store: WeightStore | None, device: str) -> Measure:
        """Load what it needs; from then on it can look at images."""

    @property
    def finaliser(self) -> Finaliser[Any]:
        from bfrbench.metrics.mean import Mean

        return Mean(self.failure)
