"""Kernel Inception distance (Bińkowski et al., 2018): unbiased squared MMD, cubic kernel, random subsets."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import Field

from bfrbench.contracts import Row
from bfrbench.errors import NotComparable
from bfrbench.metrics.features import Table
from bfrbench.metrics.inception import FEATURE, InceptionChoices, InceptionKind
from bfrbench.metrics.kind import Context, Finaliser, Value

if TYPE_CHECKING:
    import numpy.typing as npt

    from bfrbench.metrics.features import F32


class KidChoices(InceptionChoices):
    """What KID has to choose besides how its features are made."""

    reference: str = Field(description="gt for the ground truth of the same images, else the name of statistics")
    subsets: int = Field(ge=1, description="how many random subsets the mean is taken over")
    subset_size: int = Field(ge=2, description="images in a subset; all of them where there are fewer")
    seed: int = Field(ge=0, description="of the random subsets")


def mmd2(first: npt.NDArray[Any], second: npt.NDArray[Any]) -> float:
    """The unbiased estimate of the squared MMD of two equally many features, kernel (x·y / d + 1)³."""
    n = len(first)
    both = np.concatenate([first, second])
    kernel = (both @ both.T / both.shape[1] + 1.0).astype(np.float64) ** 3
    within = kernel[:n, :n].sum() + kernel[n:, n:].sum() - np.trace(kernel)
    return float(within / (n * (n - 1)) - 2 * kernel[:n, n:].mean())


def kid(first: F32, second: F32, choices: KidChoices) -> tuple[float, float]:
    """Mean and deviation over subsets. The draws are torch-fidelity's: NumPy's frozen generator, first set first."""
    size = min(choices.subset_size, len(first), len(second))
    stream = np.random.RandomState(choices.seed)
    found = []
    for _ in range(choices.subsets):
        chosen = (stream.choice(len(side), size, replace=False) for side in (first, second))
        found.append(mmd2(*(side[index] for side, index in zip((first, second), chosen, strict=True))))
    return float(np.mean(found)), float(np.std(found))


class KernelDistance(Finaliser[Table]):
    """Keeps the features: 8 KB an image and side."""

    shares = "inception-table"

    def __init__(self, reference: str | None, choices: KidChoices) -> None:
        self._reference, self._choices = reference, choices

    def fold(self, rows: Iterable[Row]) -> Table:
        return Table.of(rows, FEATURE)

    def merge(self, first: Table, second: Table) -> Table:
        return first.merge(second)

    def value(self, state: Table, context: Context) -> Value:
        failed = dict(state.failed)
        if state.n < 2:
            return Value(None, state.n, failed, note="a distribution needs two images or more")
        against = reference_features(state, self._reference, context)
        mean, deviation = kid(state.side(0), against, self._choices)
        return Value(mean, state.n, failed, {"deviation": deviation, "reference_n": float(len(against))})


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
    """The distance; unbiased, so it can be compared across numbers of images as FID cannot."""

    Choices = KidChoices

    @property
    def finaliser(self) -> Finaliser[Table]:
        return KernelDistance(self.reference, self.choices)
