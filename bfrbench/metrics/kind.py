"""What a metric is made of: choices, rows per image, and a pure finaliser from rows to one number.

A `Kind` is written once per metric; a protocol fixes its choices. It holds no weights and imports no torch
until `open` is called.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Protocol, TypeVar

from bfrbench.config import Frozen
from bfrbench.contracts import Row, Scored
from bfrbench.metrics.finaliser import Failure, Finaliser
from bfrbench.metrics.mean import Mean
from bfrbench.specs import MetricSpec, Need

if TYPE_CHECKING:
    from bfrbench.weights import WeightStore

C = TypeVar("C", bound=Frozen)


class Measure(Protocol):
    """Something that looks at images: one row for each id of the batch, in its order."""

    def rows(self, batch: Scored) -> Sequence[Row]: ...


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
        return Mean(self.failure)
