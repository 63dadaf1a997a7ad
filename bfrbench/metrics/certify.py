"""Certifying a protocol: the numbers that somebody published of outputs they released, against ours of the same.

A published number is certified when ours rounds to it, give or take one unit in its last digit.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

from bfrbench.errors import BfrbenchError, InputError, UnknownName
from bfrbench.metrics.finaliser import Value
from bfrbench.metrics.protocol import Protocol, ProtocolMetric
from bfrbench.metrics.scorer import lacking

if TYPE_CHECKING:
    from bfrbench.specs import Need
    from bfrbench.weights import WeightStore

Verdict: TypeAlias = Literal["certified", "not certified", "cannot say"]


@dataclass(frozen=True, slots=True)
class Published:
    """One cell of a published table."""

    metric: str
    text: str
    """As it was printed: its last digit says how exact it is."""

    @property
    def value(self) -> float:
        return float(self.text)

    @property
    def unit(self) -> float:
        """One unit in the last digit."""
        digits = self.text.partition(".")[2]
        return 10.0 ** -len(digits)


@dataclass(frozen=True, slots=True)
class Finding:
    """What became of one published number."""

    metric: str
    published: str
    ours: float | None
    off: float | None
    allowed: float | None
    verdict: Verdict
    reason: str = ""


def read_table(path: Path, protocol: Protocol) -> list[Published]:
    """A CSV with the columns `metric` and `value`, metrics named as in the protocol."""
    try:  # "-sig": spreadsheets write a mark before the first column's name
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path} cannot be read as a table ({error})", "give a CSV with metric and value") from error
    if not rows or not {"metric", "value"} <= set(rows[0]):
        raise InputError(f"{path} has no columns 'metric' and 'value'", "give a CSV with both, one number a line")
    return [_published(path, row, protocol) for row in rows]


def _published(path: Path, row: Mapping[str, str | None], protocol: Protocol) -> Published:
    name, text = (row["metric"] or "").strip(), (row["value"] or "").strip()
    known = [metric.name for metric in protocol.metrics]
    if name not in known:
        raise UnknownName(f"metric of protocol {protocol.name}", name, known)
    try:
        finite = math.isfinite(float(text)) and "e" not in text.lower()
    except ValueError:
        finite = False
    if not finite:
        raise InputError(f"{path}: {name} is {text!r}, not a number", "write it as it was printed")
    return Published(name, text)


def obstacles(
    protocol: Protocol, available: Collection[Need], store: WeightStore, given: Collection[str] = ()
) -> dict[str, str]:
    """The metrics that cannot be measured here, and why: images, weight files or statistics that are missing.

    Statistics that were `given` for a metric are taken at their word here: a fault in them is an error, not a reason.
    """
    found = {metric.name: _obstacle(metric, protocol, available, store, given) for metric in protocol.metrics}
    return {name: reason for name, reason in found.items() if reason}


def _obstacle(
    metric: ProtocolMetric, protocol: Protocol, available: Collection[Need], store: WeightStore, given: Collection[str]
) -> str:
    from bfrbench.metrics.references import open_reference

    if missing := lacking(metric, available):
        return f"needs {' and '.join(missing)}"
    try:
        for name in metric.kind.weights:
            store.path(name)
        if metric.name not in given:
            open_reference(metric, protocol, store, givable=True)
    except BfrbenchError as error:
        return str(error)
    return ""


def certify(
    published: Iterable[Published],
    values: Mapping[str, Value],
    not_measured: Mapping[str, str],
    allowed: float | None = None,
) -> list[Finding]:
    """A finding for each published number. `allowed` is an absolute difference; without it, the last printed digit."""
    return [_finding(one, values.get(one.metric), not_measured.get(one.metric, ""), allowed) for one in published]


def _finding(published: Published, ours: Value | None, why_not: str, allowed: float | None) -> Finding:
    name, text = published.metric, published.text
    if ours is None or ours.value is None:
        reason = why_not or (ours.note if ours is not None else "") or "it was not measured"
        return Finding(name, text, None, None, None, "cannot say", reason)
    off = ours.value - published.value
    limit = published.unit * 1.5 if allowed is None else allowed
    if abs(off) <= limit:
        return Finding(name, text, ours.value, off, limit, "certified")
    failed = sum(ours.failed.values())
    reason = f"{failed} images could not be measured" if failed else ""
    return Finding(name, text, ours.value, off, limit, "not certified", reason)


def overall(findings: Iterable[Finding]) -> Verdict:
    """The weakest of the verdicts: one number that is off is enough."""
    verdicts = {finding.verdict for finding in findings}
    for verdict in ("not certified", "cannot say"):
        if verdict in verdicts:
            return verdict
    return "certified" if verdicts else "cannot say"
