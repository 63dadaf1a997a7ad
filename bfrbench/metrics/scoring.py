"""Scoring finished images under a protocol: rows stream through, states are folded, numbers come out."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bfrbench.contracts import Row, Scored
from bfrbench.errors import UnknownName
from bfrbench.metrics.finaliser import Context, Value
from bfrbench.metrics.protocol import Protocol, ProtocolMetric
from bfrbench.metrics.reference import Reference
from bfrbench.metrics.references import counted, open_reference
from bfrbench.metrics.scorer import Scorer

if TYPE_CHECKING:
    from torch import Tensor

    from bfrbench.weights import WeightStore

Watcher = Callable[[Scored, Mapping[str, list[Row]]], None]
_FOLD = 256
"""Rows that are gathered before they are folded: a fold of features costs one product of matrices."""


@dataclass(frozen=True)
class Score:
    """Every number of a protocol over one set of images, with what it rests on."""

    protocol: Protocol
    images: int
    values: Mapping[str, Value]
    skipped: Mapping[str, str]
    """Metrics that could not be asked here, and what they need."""
    references: Mapping[str, Reference]
    weights: Mapping[str, str] = field(default_factory=dict)
    """The sha256 of each weight file that was really used."""


class Folding:
    """States of all metrics as rows stream by; states that are the same are kept once."""

    def __init__(self, metrics: Iterable[ProtocolMetric]) -> None:
        self._metrics = tuple(metrics)
        self._finalisers = {metric.name: metric.kind.finaliser for metric in self._metrics}
        self._states: dict[tuple[str, str], Any] = {}
        self._waiting: dict[str, list[Row]] = {}

    def add(self, rows: Mapping[str, list[Row]]) -> None:
        for name, some in rows.items():
            self._waiting.setdefault(name, []).extend(some)
        if any(len(some) >= _FOLD for some in self._waiting.values()):
            self._fold()

    def value(self, metric: ProtocolMetric, context: Context) -> Value:
        self._fold()
        return self._finalisers[metric.name].value(self._states[self._key(metric)], context)

    def _key(self, metric: ProtocolMetric) -> tuple[str, str]:
        return metric.rows, self._finalisers[metric.name].shares or metric.name

    def _fold(self) -> None:
        done = set()
        for metric in self._metrics:
            if (key := self._key(metric)) not in done and (some := self._waiting.get(metric.rows)):
                done.add(key)
                finaliser = self._finalisers[metric.name]
                state = finaliser.fold(some)
                self._states[key] = finaliser.merge(self._states[key], state) if key in self._states else state
        self._waiting.clear()


def score(
    batches: Iterable[Scored],
    scorer: Scorer,
    *,
    references: Mapping[str, Reference] | None = None,
    identities: Mapping[str, str] | None = None,
    watch: Watcher | None = None,
) -> Score:
    """Score batches of finished images. `watch` sees every batch and its rows as they pass."""
    folding, ids = Folding(scorer.metrics), list[str]()
    for batch in batches:
        batch = _on(batch, scorer.device)
        rows = scorer.rows(batch)
        ids += batch.ids
        folding.add(rows)
        if watch is not None:
            watch(batch, rows)
    found = {name: counted(scorer.protocol.metric(name), whole, ids) for name, whole in (references or {}).items()}
    values = {
        metric.name: folding.value(metric, Context(found.get(metric.name), identities or {}))
        for metric in scorer.metrics
    }
    return Score(scorer.protocol, len(ids), values, scorer.skipped, found, scorer.weights)


def references_of(
    scorer: Scorer,
    store: WeightStore | None = None,
    given: Mapping[str, Path] | None = None,
    *,
    tested: Collection[str] = (),
) -> dict[str, Reference]:
    """The statistics of every metric that compares with some, found before anything is scored."""
    given = given or {}
    takers = {metric.name: metric for metric in scorer.metrics if metric.kind.reference is not None}
    for name in given:
        if name not in takers:
            raise UnknownName("metric with a reference", name, takers)
    found = {
        name: open_reference(metric, scorer.protocol, store, given.get(name), tested=tested, givable=True)
        for name, metric in takers.items()
    }
    return {name: reference for name, reference in found.items() if reference is not None}


def _on(batch: Scored, device: str) -> Scored:
    def moved(images: Tensor | None) -> Tensor | None:
        return None if images is None else images.to(device)

    return replace(
        batch,
        lq=moved(batch.lq),
        restored=batch.restored.to(device),
        gt=moved(batch.gt),
        posterior_mean=moved(batch.posterior_mean),
    )
