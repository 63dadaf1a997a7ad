"""Precision and recall (Kynkäänniemi et al., 2019), density and coverage (Naeem et al., 2020), on Inception."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Literal

import numpy as np
from pydantic import Field

from bfrbench.contracts import Row
from bfrbench.metrics.coverage_parts import distances, part_number
from bfrbench.metrics.features import Table
from bfrbench.metrics.finaliser import Context, Finaliser, Value
from bfrbench.metrics.inception import FEATURE, InceptionKind, ReferenceChoices
from bfrbench.metrics.kid import reference_features

if TYPE_CHECKING:
    import numpy.typing as npt

    from bfrbench.metrics.features import F32
    from bfrbench.stats.bits import Ints


class CoverageChoices(ReferenceChoices):
    """What these four have to choose besides."""

    what: Literal["precision", "recall", "density", "coverage"] = Field(
        description="precision: restored images inside the real manifold; recall: real ones inside the restored; "
        "density: how many real balls hold a restored image; coverage: real balls that hold any"
    )
    neighbours: int = Field(
        ge=1, description="a ball reaches to this nearest neighbour of its centre, itself not counted"
    )


def radii(features: F32, neighbours: int) -> npt.NDArray[np.float32]:
    """The distance of each feature to its k-th nearest other one."""
    found = [np.partition(block, neighbours, 1)[:, neighbours] for block in distances(features, features)]
    return np.concatenate(found)


def coverage(restored: F32, real: F32, choices: CoverageChoices, balls: F32 | None = None) -> float:
    """Of two sets of features; `balls` are the radii of the real ones, where they are known."""
    k = choices.neighbours
    if choices.what == "recall":
        own = radii(restored, k)
        return float(np.concatenate([(block <= own).any(1) for block in distances(real, restored)]).mean())
    balls = radii(real, k) if balls is None else balls
    if choices.what == "coverage":
        nearest = np.concatenate([block.min(1) for block in distances(real, restored)])
        return float((nearest <= balls).mean())
    inside = np.concatenate([(block <= balls).sum(1) for block in distances(restored, real)])
    return float((inside > 0).mean() if choices.what == "precision" else inside.sum() / (k * len(restored)))


class Manifolds(Finaliser[Table]):
    """Keeps the features: 8 KB an image and side."""

    shares = "inception-table"

    def __init__(self, reference: str | None, choices: CoverageChoices, feature: tuple[int, int] = FEATURE) -> None:
        self._reference, self._choices, self._feature = reference, choices, feature

    def fold(self, rows: Iterable[Row]) -> Table:
        return Table.of(rows, self._feature)

    def merge(self, first: Table, second: Table) -> Table:
        return first.merge(second)

    def value(self, state: Table, context: Context) -> Value:
        failed, k = dict(state.failed), self._choices.neighbours
        real = reference_features(state, self._reference, context) if state.n else state.side(0)
        if min(state.n, len(real)) <= k:
            return Value(None, state.n, failed, note=f"{k} neighbours need more than {k} images on both sides")
        value = coverage(state.side(0), real, self._choices, self._known_radii(context))
        return Value(value, state.n, failed, {"reference_n": float(len(real))} | context.left_out)

    def over(self, rows: Sequence[Row], context: Context) -> Callable[[Ints], float]:
        whole, k = self.fold(rows), self._choices.neighbours
        real = reference_features(whole, self._reference, context) if whole.n else whole.side(0)
        if min(whole.n, len(real)) <= k:
            return super().over(rows, context)
        restored, at, paired = whole.side(0), whole.places(rows), self._reference is None
        direct = partial(coverage, choices=self._choices, balls=self._known_radii(context))
        of_part = part_number(self._choices.what, restored, real, k, paired=paired, direct=direct)

        def number(positions: Ints) -> float:
            chosen = at[positions]
            return of_part(chosen[chosen >= 0])

        return number

    def _known_radii(self, context: Context) -> F32 | None:
        """Those of a reference, which stay the same for all metrics, bins and parts: worked out once."""
        if self._reference is None or self._choices.what == "recall" or context.reference is None:
            return None
        k, reference = self._choices.neighbours, context.reference
        if reference.features is not None and k not in reference.radii:
            reference.radii[k] = radii(reference.features, k)
        return reference.radii.get(k)


class Coverage(InceptionKind[CoverageChoices]):
    """One of the four; higher is better for all."""

    Choices = CoverageChoices

    @property
    def reference_features(self) -> bool:
        return True

    @property
    def finaliser(self) -> Finaliser[Table]:
        return Manifolds(self.reference, self.choices)
