"""Kernel Inception distance (Bińkowski et al., 2018): unbiased squared MMD, cubic kernel, random subsets."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from pydantic import Field

from bfrbench.contracts import Row
from bfrbench.errors import NotComparable
from bfrbench.metrics.features import Table
from bfrbench.metrics.finaliser import Context, Finaliser, Value
from bfrbench.metrics.inception import FEATURE, InceptionKind, ReferenceChoices
from bfrbench.metrics.kid_parts import LARGEST, kernel, to_reference, to_truth

if TYPE_CHECKING:
    from bfrbench.metrics.features import F32
    from bfrbench.metrics.frechet import F64
    from bfrbench.stats.bits import Ints


class KidChoices(ReferenceChoices):
    """What KID has to choose besides."""

    subsets: int = Field(ge=1, description="how many random subsets the mean is taken over")
    subset_size: int = Field(ge=2, description="images in a subset; all of them where there are fewer")
    seed: int = Field(ge=0, description="of the random subsets")


@dataclass(frozen=True)
class Kernels:
    """The kernel (x·y / d + 1)³ of all pairs, within each set and across: any subset's distance is sums of them."""

    within: tuple[F64, F64]
    across: F64

    @classmethod
    def of(cls, first: F32, second: F32) -> Kernels:
        return cls((kernel(first, first), kernel(second, second)), kernel(first, second))

    def at(self, first: Ints, second: Ints) -> Kernels:
        """Of some of the features on each side."""
        one, two = self.within
        return Kernels((one[np.ix_(first, first)], two[np.ix_(second, second)]), self.across[np.ix_(first, second)])

    def kid(self, choices: KidChoices) -> tuple[float, float]:
        """Mean and deviation over subsets of the unbiased squared MMD, all subsets at once."""
        size, draws = drawn(len(self.across), self.across.shape[1], choices)
        first, second = (_marked(len(side), chosen) for side, chosen in zip(self.within, draws, strict=True))
        inner = sum(
            np.einsum("ns,ns->s", marks, side @ marks) - np.diag(side) @ marks
            for side, marks in zip(self.within, (first, second), strict=True)
        )
        outer = np.einsum("ns,ns->s", first, self.across @ second)
        found = inner / (size * (size - 1)) - 2 * outer / size**2
        return float(np.mean(found)), float(np.std(found))


def drawn(first: int, second: int, choices: KidChoices) -> tuple[int, tuple[Ints, Ints]]:
    """Size and members of each subset. The draws are torch-fidelity's: NumPy's frozen generator, first set first."""
    size = min(choices.subset_size, first, second)
    stream = np.random.RandomState(choices.seed)
    pairs = [[stream.choice(side, size, replace=False) for side in (first, second)] for _ in range(choices.subsets)]
    ours, theirs = np.array(pairs).transpose(1, 0, 2)
    return size, (ours, theirs)


def _marked(count: int, chosen: Ints) -> F64:
    """For each subset a column with 1 for its members."""
    marks = np.zeros((count, len(chosen)))
    marks[chosen.T, np.arange(len(chosen))] = 1.0
    return marks


def kid(first: F32, second: F32, choices: KidChoices) -> tuple[float, float]:
    """Mean and deviation over subsets; sets too large for the kernel of all pairs go subset by subset."""
    if max(len(first), len(second)) <= LARGEST:
        return Kernels.of(first, second).kid(choices)
    size, draws = drawn(len(first), len(second), choices)
    one = choices.model_copy(update={"subsets": 1, "subset_size": size})
    found = [Kernels.of(first[ours], second[theirs]).kid(one)[0] for ours, theirs in zip(*draws, strict=True)]
    return float(np.mean(found)), float(np.std(found))


class KernelDistance(Finaliser[Table]):
    """Keeps the features: 8 KB an image and side."""

    shares = "inception-table"

    def __init__(self, reference: str | None, choices: KidChoices, feature: tuple[int, int] = FEATURE) -> None:
        self._reference, self._choices, self._feature = reference, choices, feature

    def fold(self, rows: Iterable[Row]) -> Table:
        return Table.of(rows, self._feature)

    def merge(self, first: Table, second: Table) -> Table:
        return first.merge(second)

    def value(self, state: Table, context: Context) -> Value:
        failed = dict(state.failed)
        if state.n < 2:
            return Value(None, state.n, failed, note="a distribution needs two images or more")
        against = reference_features(state, self._reference, context)
        mean, deviation = kid(state.side(0), against, self._choices)
        return Value(
            mean, state.n, failed, {"deviation": deviation, "reference_n": float(len(against))} | context.left_out
        )

    def over(self, rows: Sequence[Row], context: Context) -> Callable[[Ints], float]:
        """Above `LARGEST` images a part's number is that of pairs inside blocks."""
        whole = self.fold(rows)
        if whole.n < 2:
            return super().over(rows, context)
        restored, against = whole.side(0), reference_features(whole, self._reference, context)
        at, large = whole.places(rows), max(whole.n, len(against)) > LARGEST
        of_part = self._of_large(restored, against) if large else self._of_small(restored, against)

        def number(positions: Ints) -> float:
            chosen = at[positions]
            chosen = chosen[chosen >= 0]
            return of_part(chosen) if len(chosen) > 1 else float("nan")

        return number

    def _of_small(self, restored: F32, against: F32) -> Callable[[Ints], float]:
        kernels, everyone = Kernels.of(restored, against), np.arange(len(against))
        paired = self._reference is None
        return lambda chosen: kernels.at(chosen, chosen if paired else everyone).kid(self._choices)[0]

    def _of_large(self, restored: F32, against: F32) -> Callable[[Ints], float]:
        return (to_truth if self._reference is None else to_reference)(restored, against)


def reference_features(state: Table, reference: str | None, context: Context) -> F32:
    """The features to compare with: the ground truth's of the same rows, or those that the reference kept."""
    if reference is None:
        return state.side(1)
    if context.reference is None or context.reference.features is None:
        raise NotComparable(
            f"there are no features of {reference}, only statistics or nothing",
            "build the reference with 'bfrbench reference build --keep-features'",
        )
    return context.reference.features


class Kid(InceptionKind[KidChoices]):
    """The distance; unbiased against other images, so it can be compared across numbers of images as FID cannot.

    Against the truth of the same N images it lies lower, by what shrinks as 1/N: each image is like its own truth.
    """

    Choices = KidChoices

    @property
    def reference_features(self) -> bool:
        return True

    @property
    def finaliser(self) -> Finaliser[Table]:
        return KernelDistance(self.reference, self.choices)
