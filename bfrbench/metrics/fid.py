"""Fréchet distance between Inception features of restored images and a reference: the ground truth, or statistics."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bfrbench.contracts import Row, Status
from bfrbench.errors import NotComparable
from bfrbench.metrics.features import blocks
from bfrbench.metrics.finaliser import Context, Finaliser, Value
from bfrbench.metrics.frechet import Cloud, Gaussian, frechet
from bfrbench.metrics.frechet_subsets import Features, distances
from bfrbench.metrics.inception import FEATURE, InceptionKind, ReferenceChoices

if TYPE_CHECKING:
    from bfrbench.stats.bits import Ints


class FidChoices(ReferenceChoices):
    """FID has nothing to choose besides."""


@dataclass(frozen=True)
class Clouds:
    """Both sides as they stream in, and the failures by reason."""

    restored: Cloud = field(default_factory=Cloud)
    gt: Cloud = field(default_factory=Cloud)
    failed: Counter[Status] = field(default_factory=Counter)


class FrechetDistance(Finaliser[Clouds]):
    """Failures have no features: they are counted, shown, and in no protocol a number."""

    def __init__(self, reference: str | None, metric: str, feature: tuple[int, int] = FEATURE) -> None:
        self._reference, self._metric, self._feature = reference, metric, feature

    def fold(self, rows: Iterable[Row]) -> Clouds:
        failed = Counter[Status]()
        restored, gt = Cloud(), Cloud()
        for _, block in blocks(rows, self._feature, failed):
            restored = restored.add(block[:, 0])
            if self._reference is None:
                gt = gt.add(block[:, 1])
        return Clouds(restored, gt, failed)

    def merge(self, first: Clouds, second: Clouds) -> Clouds:
        return Clouds(first.restored.merge(second.restored), first.gt.merge(second.gt), first.failed + second.failed)

    def value(self, state: Clouds, context: Context) -> Value:
        failed = dict(state.failed)
        if state.restored.n < 2:
            return Value(None, state.restored.n, failed, note="a distribution needs two images or more")
        against = self._against(state, context)
        extra = {} if against.n is None else {"reference_n": float(against.n)}
        extra |= context.left_out
        distance = frechet(state.restored.gaussian, against)
        note = "fewer images than dimensions: read the interval" if state.restored.n < against.dimensions else ""
        return Value(distance, state.restored.n, failed, extra, note)

    def over(self, rows: Sequence[Row], context: Context) -> Callable[[Ints], float]:
        if not any(row.status == "ok" and row.feature is not None for row in rows):
            return super().over(rows, context)
        features = Features.of(rows, self._feature, both=self._reference is None)
        return distances(features, None if self._reference is None else self._known(context))

    def _against(self, state: Clouds, context: Context) -> Gaussian:
        if self._reference is None:
            return state.gt.gaussian
        return self._known(context)

    def _known(self, context: Context) -> Gaussian:
        if context.reference is None:
            raise NotComparable(f"{self._metric} has no statistics of {self._reference}", "give the reference")
        return context.reference.gaussian


class Fid(InceptionKind[FidChoices]):
    """The distance; N is always shown with it, because its bias depends on N."""

    Choices = FidChoices

    @property
    def finaliser(self) -> Finaliser[Clouds]:
        return FrechetDistance(self.reference, self.spec.id)
