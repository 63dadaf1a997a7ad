"""Which numbers of a board are judged, and by which of its rules: the most specific one wins."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from bfrbench.bench.rules import Breakdown, GateRule
from bfrbench.errors import ConfigError, UnknownName

EVERY = "*"


@dataclass(frozen=True, slots=True)
class Cell:
    """One number that is judged: a metric over the whole set, or over one bin of a breakdown."""

    metric: str
    breakdown: str | None
    bin: str | None
    rule: GateRule

    @property
    def place(self) -> str:
        return "all" if self.breakdown is None else f"{self.breakdown} {self.bin}"


def cells_of(rules: Sequence[GateRule], metrics: Iterable[str], breakdowns: Sequence[Breakdown]) -> list[Cell]:
    """Every number that some rule speaks of. A rule without a breakdown speaks of the whole set alone."""
    names = list(metrics)
    for rule in rules:
        if rule.metric not in (EVERY, *names):
            raise UnknownName("metric", rule.metric, names, "the gate's rules name it: correct them")
    places = [(None, None), *((one.title, group) for one in breakdowns for group in one.bins)]
    return list(_cells(rules, names, places))


def _cells(
    rules: Sequence[GateRule], metrics: Sequence[str], places: Sequence[tuple[str | None, str | None]]
) -> Iterator[Cell]:
    for metric in metrics:
        for breakdown, group in places:
            fitting = [rule for rule in rules if _fits(rule, metric, breakdown, group)]
            if fitting:
                yield Cell(metric, breakdown, group, _most_specific(fitting, metric))


def _fits(rule: GateRule, metric: str, breakdown: str | None, group: str | None) -> bool:
    return rule.metric in (EVERY, metric) and rule.breakdown == breakdown and rule.bin in (None, group)


def _most_specific(rules: Sequence[GateRule], metric: str) -> GateRule:
    """A rule that names the metric goes before one for every metric, then one that names the bin before one for all."""
    weights = [(rule.metric != EVERY, rule.bin is not None) for rule in rules]
    best = max(weights)
    if weights.count(best) > 1:
        raise ConfigError(f"two gate rules of equal rank speak of {metric}", "keep one of them")
    return rules[weights.index(best)]
