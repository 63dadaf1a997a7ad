"""Protocols and results in words and plain data, for tables, JSON and docs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from bfrbench.metrics.finaliser import Value
from bfrbench.metrics.protocol import Protocol, ProtocolMetric
from bfrbench.metrics.scoring import Score


def protocol_in_words(protocol: Protocol) -> Iterator[str]:
    """Lines that say what a protocol does and why."""
    yield f"{protocol.name}: {protocol.summary}"
    yield f"digest {protocol.digest}"
    yield from ("", "Read in:", *(f"  - {source}" for source in protocol.sources))
    if protocol.notes:
        yield from ("", "Mind:", *(f"  - {note}" for note in protocol.notes))
    for metric in protocol.metrics:
        yield ""
        yield from metric_in_words(metric)


def metric_in_words(metric: ProtocolMetric) -> Iterator[str]:
    better = "higher" if metric.higher_is_better else "lower"
    if metric.ideal is not None:
        better = f"nearer to {metric.ideal:g}"
    unit = f", in {metric.unit}" if metric.unit else ""
    yield f"{metric.name} ({better} is better{unit}): {metric.kind.spec.summary}"
    if metric.needs:
        yield f"  needs {', '.join(metric.needs)}"
    if metric.kind.weights:
        yield f"  weights {', '.join(metric.kind.weights)}"
    fields = type(metric.kind.choices).model_fields
    for name, value in metric.kind.choices.model_dump(mode="json").items():
        yield f"  {name} = {value}: {metric.because[name]}"
        yield f"      ({fields[name].description})"
    yield f"  a failed image: {_failure(metric)}: {metric.because['failure']}"


def _failure(metric: ProtocolMetric) -> str:
    if metric.kind.failure == "leave-out":
        return "counted, and left out of the number"
    return f"counted, and scores {metric.kind.failure:g}"


def protocol_as_data(protocol: Protocol) -> dict[str, Any]:
    return {
        "name": protocol.name,
        "digest": protocol.digest,
        "summary": protocol.summary,
        "sources": list(protocol.sources),
        "notes": list(protocol.notes),
        "metrics": {metric.name: _metric_as_data(metric) for metric in protocol.metrics},
    }


def _metric_as_data(metric: ProtocolMetric) -> dict[str, Any]:
    direction = {"higher_is_better": metric.higher_is_better, "ideal": metric.ideal, "unit": metric.unit}
    made = {"rows": metric.rows, "needs": list(metric.needs), "digest": metric.digest}
    return {**metric.chosen, **direction, **made, "because": dict(metric.because)}


def score_as_data(score: Score) -> dict[str, Any]:
    return {
        "protocol": {"name": score.protocol.name, "digest": score.protocol.digest},
        "images": score.images,
        "metrics": {name: value_as_data(value, score.protocol.metric(name)) for name, value in score.values.items()},
        "not_measured": dict(score.skipped),
        "references": {
            name: {"name": one.name, "digest": one.digest, "n": one.n} for name, one in score.references.items()
        },
        "weights": dict(score.weights),
    }


def value_as_data(value: Value, metric: ProtocolMetric) -> dict[str, Any]:
    found = {"value": value.value, "n": value.n, "failed": dict(value.failed), **value.extra}
    told = {"note": value.note} if value.note else {}
    return {**found, **told, "higher_is_better": metric.higher_is_better, "unit": metric.unit}


def score_lines(score: Score) -> Iterator[tuple[str, str, str, str, str]]:
    """Name, direction, number, N and remarks of each metric."""
    for name, value in score.values.items():
        metric = score.protocol.metric(name)
        arrow = "→ 0" if metric.ideal is not None else ("↑" if metric.higher_is_better else "↓")
        unit = f" {metric.unit}" if metric.unit else ""
        number = "–" if value.value is None else f"{value.value:.4f}{unit}"
        yield name, arrow, number, str(value.n), _remarks(value)
    for name, reason in score.skipped.items():
        yield name, "", "–", "", f"not measured: {reason}"


def _remarks(value: Value) -> str:
    failures = [f"{count} {status}" for status, count in value.failed.items()]
    extras = [f"{name.replace('_', ' ')} {number:g}" for name, number in value.extra.items()]
    return "; ".join([*failures, *extras, *([value.note] if value.note else [])])
