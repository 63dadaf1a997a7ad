"""The engine: all metrics of a protocol over one decoding of each image, a row for each image that fails too."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

from bfrbench.contracts import Row, Scored
from bfrbench.devices import refuse_unusable
from bfrbench.errors import UsageError, WeightsError
from bfrbench.metrics.finaliser import Context, Value
from bfrbench.metrics.kind import Measure
from bfrbench.metrics.protocol import Protocol, ProtocolMetric
from bfrbench.precision import exact_float32
from bfrbench.specs import Need

if TYPE_CHECKING:
    from torch import Tensor

    from bfrbench.weights import WeightStore


_PAIRS: tuple[Need, ...] = ("gt",)
_NOT_IN_BATCHES: tuple[Need, ...] = ("reference",)
"""What finalisers need and is looked for elsewhere."""


class Scorer:
    """A protocol with its networks loaded.

    `available` says what the batches will carry; a metric that needs more is not measured, and `skipped` says why.

    >>> import torch
    >>> from bfrbench.metrics import Scorer, load_protocol
    >>> scorer = Scorer(load_protocol("basic-v1"))
    >>> image = torch.rand(1, 3, 64, 64)
    >>> rows = scorer.rows(Scored(("a",), None, image, gt=image))
    >>> rows["probe-shift"][0].value
    0.0
    """

    def __init__(
        self,
        protocol: Protocol,
        device: str = "cpu",
        store: WeightStore | None = None,
        *,
        available: Collection[Need] = _PAIRS,
    ) -> None:
        refuse_unusable(device)
        self.protocol, self.device = protocol, device
        self.skipped = {
            metric.name: f"needs {' and '.join(missing)}"
            for metric in protocol.metrics
            if (missing := lacking(metric, available))
        }
        self.metrics = tuple(metric for metric in protocol.metrics if metric.name not in self.skipped)
        if not self.metrics:
            wants = sorted({need for metric in protocol.metrics for need in metric.needs})
            raise UsageError(f"protocol {protocol.name} can measure nothing here", f"give {', '.join(wants)}")
        self._measures = self._open(store)
        self.weights = self._used(store)

    def _used(self, store: WeightStore | None) -> dict[str, str]:
        """The sha256 of every weight file that was opened."""
        names = sorted({name for metric in self.metrics for name in metric.kind.weights})
        if not names:
            return {}
        from bfrbench.weights import WeightStore

        held = store or WeightStore()
        return {name: held.digest(name) for name in names if held.find(name) is not None}

    def _open(self, store: WeightStore | None) -> dict[str, Measure]:
        """One measure for each set of rows, opened by the metric that needs most of a batch."""
        makers: dict[str, ProtocolMetric] = {}
        for metric in self.metrics:
            first = makers.setdefault(metric.rows, metric)
            if "gt" in metric.needs and "gt" not in first.needs:
                makers[metric.rows] = metric
        opened = {}
        for name, metric in makers.items():
            try:
                opened[name] = metric.kind.open(store, self.device)
            except WeightsError as error:
                raise self._with_others(error, metric, store) from error
        return opened

    def _with_others(self, error: WeightsError, at: ProtocolMetric, store: WeightStore | None) -> WeightsError:
        """The same error, and at once what else is not here."""
        from bfrbench.weights import WeightStore

        held = store or WeightStore()
        wanted = {name for metric in self.metrics for name in metric.kind.weights if name in held.cards}
        absent = sorted(name for name in wanted if held.locate(name) is None)
        more = f"; of this protocol {', '.join(absent)} are not here" if len(absent) > 1 else ""
        return WeightsError(f"{at.name}: {error.problem}", f"{error.remedy}, or leave the metric out{more}")

    def rows(self, batch: Scored) -> dict[str, list[Row]]:
        """For each name in `ProtocolMetric.rows`, one row per id in the batch's order."""
        import torch

        with torch.inference_mode(), exact_float32():
            finite = _finite(batch.restored)
            sound = batch if all(finite) else take(batch, [index for index, fine in enumerate(finite) if fine])
            return {name: self._of(measure, batch, sound, finite) for name, measure in self._measures.items()}

    @property
    def keeps_truths(self) -> bool:
        return any(metric.kind.keeps_truth for metric in self.metrics)

    def truths(self, batch: Scored) -> dict[str, list[Row]]:
        """For the rows that keep it, the feature of the ground truth alone; whatever was restored is not looked at."""
        import torch

        if batch.gt is None:
            return {}
        itself = replace(batch, restored=batch.gt)
        keeping = dict.fromkeys(metric.rows for metric in self.metrics if metric.kind.keeps_truth)
        with torch.inference_mode(), exact_float32():
            return {name: [_truth(row) for row in self._measures[name].rows(itself)] for name in keeping}

    def _of(self, measure: Measure, batch: Scored, sound: Scored, finite: list[bool]) -> list[Row]:
        found = iter(measure.rows(sound) if sound.ids else ())
        return [next(found) if fine else Row(name, "nan") for name, fine in zip(batch.ids, finite, strict=True)]


def finalise(metric: ProtocolMetric, rows: Iterable[Row], context: Context | None = None) -> Value:
    """One number from the rows named by `metric.rows`."""
    finaliser = metric.kind.finaliser
    return finaliser.value(finaliser.fold(rows), context or Context())


def _truth(row: Row) -> Row:
    return replace(row, value=None, feature=None if row.feature is None else row.feature[-1:])


def lacking(metric: ProtocolMetric, available: Collection[Need]) -> list[Need]:
    """What a metric needs of each batch and will not be given."""
    return [need for need in metric.needs if need not in (*available, *_NOT_IN_BATCHES)]


def _finite(images: Tensor) -> list[bool]:
    if images.sum().isfinite():  # then each level is, and looking at each takes many times as long
        return [True] * len(images)
    answer: list[bool] = images.isfinite().flatten(1).all(1).tolist()
    return answer


def take(batch: Scored, keep: list[int]) -> Scored:
    """The batch cut to some of its images."""

    def tensor(images: Tensor | None) -> Tensor | None:
        return None if images is None else images[keep]

    return replace(
        batch,
        ids=tuple(batch.ids[index] for index in keep),
        lq=tensor(batch.lq),
        restored=batch.restored[keep],
        gt=tensor(batch.gt),
        draws=None if batch.draws is None else tuple(batch.draws[index] for index in keep),
        points=None if batch.points is None else tuple(batch.points[index] for index in keep),
        posterior_mean=tensor(batch.posterior_mean),
    )
