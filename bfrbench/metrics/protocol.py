"""Protocols: frozen, named TOML files that fix every choice of every metric, each with the reason it was taken."""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib.resources import files
from pathlib import Path
from typing import Any

from pydantic import Field

from bfrbench import config, digests
from bfrbench.config import Frozen
from bfrbench.digests import Digest
from bfrbench.errors import ConfigError, PluginError, UnknownName, UsageError
from bfrbench.metrics.finaliser import Failure
from bfrbench.metrics.kind import Kind
from bfrbench.plugins import Owned, PluginHost
from bfrbench.specs import MetricSpec, Need

_SUFFIX = ".toml"


class Choice(Frozen):
    """One choice and where it was read, or why it was taken."""

    take: Any
    because: str = Field(min_length=1)


class MetricFile(Frozen):
    """A metric as a protocol's file writes it."""

    kind: str
    failure: Choice
    choices: dict[str, Choice] = Field(default_factory=dict)


class ProtocolFile(Frozen):
    """A protocol's file."""

    name: str = Field(pattern=r"^[a-z0-9]+([-.][a-z0-9]+)*$")
    summary: str
    sources: tuple[str, ...] = Field(min_length=1)
    notes: tuple[str, ...] = ()
    metrics: dict[str, MetricFile] = Field(min_length=1)


@dataclass(frozen=True)
class ProtocolMetric:
    """One metric of a protocol: a name that appears in tables, and a kind with its choices fixed."""

    name: str
    kind: Kind[Any]
    because: Mapping[str, str]
    """Why each choice was taken, by the choice's name; `failure` among them."""
    rows: str
    """The name of the rows that it is made from: its own, or those of an earlier metric that sees the same."""

    @property
    def higher_is_better(self) -> bool:
        return self.kind.higher_is_better

    @property
    def ideal(self) -> float | None:
        return self.kind.spec.ideal

    @property
    def needs(self) -> tuple[Need, ...]:
        return self.kind.needs

    @property
    def unit(self) -> str:
        return self.kind.spec.unit

    @cached_property
    def chosen(self) -> Mapping[str, Any]:
        """Everything that its number depends on, as plain data."""
        choices = self.kind.choices.model_dump(mode="json")
        fixed = {"kind": self.kind.spec.id, "version": self.kind.version, "failure": self.kind.failure}
        return fixed | {"choices": choices, "weights": self.kind.weight_digests}

    @cached_property
    def digest(self) -> Digest:
        return digests.of_data(self.chosen)

    @cached_property
    def extractor(self) -> Digest:
        """Of what its rows are made with: reference statistics carry the same."""
        return digests.of_data(self.kind.rows_key)


@dataclass(frozen=True)
class Protocol:
    """A named set of metrics whose every choice is fixed; its digest covers the choices and not the prose."""

    name: str
    summary: str
    sources: tuple[str, ...]
    notes: tuple[str, ...]
    metrics: tuple[ProtocolMetric, ...]

    @cached_property
    def digest(self) -> Digest:
        return digests.of_data({"name": self.name, "metrics": {one.name: one.chosen for one in self.metrics}})

    def metric(self, name: str) -> ProtocolMetric:
        for metric in self.metrics:
            if metric.name == name:
                return metric
        raise UnknownName(f"metric of protocol {self.name}", name, [metric.name for metric in self.metrics])

    def only(self, names: Iterable[str]) -> Protocol:
        """The same protocol cut to some of its metrics; its digest says that it is not the whole."""
        wanted = [self.metric(name).name for name in names]
        kept = tuple(metric for metric in self.metrics if metric.name in wanted)
        if kept == self.metrics:
            return self
        return Protocol(self.name, self.summary, self.sources, self.notes, share_rows(kept))


def protocol_names() -> list[str]:
    """The protocols that come with the package."""
    folder = files("bfrbench.metrics") / "protocols"
    return sorted(entry.name.removesuffix(_SUFFIX) for entry in folder.iterdir() if entry.name.endswith(_SUFFIX))


def load_protocol(name: str | Path, *, host: PluginHost | None = None) -> Protocol:
    """A protocol by name, or from a TOML file of one's own."""
    path = Path(name)
    if path.suffix == _SUFFIX and path.is_file():
        return parse_protocol(config.read_toml(path), where=str(path), host=host)
    if str(name) not in (known := protocol_names()):
        raise UnknownName("protocol", str(name), known)
    path = Path(str(files("bfrbench.metrics") / "protocols" / f"{name}{_SUFFIX}"))
    return parse_protocol(config.read_toml(path), where=path.name, host=host)


def parse_protocol(data: dict[str, Any], *, where: str, host: PluginHost | None = None) -> Protocol:
    """A protocol from plain data; `where` names its source in errors."""
    written = config.parse(data, ProtocolFile, where=where)
    kinds = host or PluginHost()
    metrics = tuple(_metric(name, metric, kinds, where) for name, metric in written.metrics.items())
    return Protocol(written.name, written.summary, written.sources, written.notes, share_rows(metrics))


def _metric(name: str, written: MetricFile, host: PluginHost, where: str) -> ProtocolMetric:
    at = f"{where}, metric {name!r}"
    values = {choice: given.take for choice, given in written.choices.items()}
    kind = make_kind(written.kind, values, _failure(written.failure.take, at), host=host, where=at)
    because = {choice: given.because for choice, given in written.choices.items()}
    return ProtocolMetric(name, kind, because | {"failure": written.failure.because}, rows=name)


def make_kind(name: str, values: dict[str, Any], failure: Failure, *, host: PluginHost, where: str) -> Kind[Any]:
    """A kind of metric with its choices, checked against what it allows."""
    offers = host.metrics()
    if name not in offers:
        raise UnknownName("kind of metric", name, offers)
    owned = offers[name]
    kind = kind_class(owned)
    made: Kind[Any] = kind(owned.spec, config.parse(values, kind.Choices, where=where), failure)
    return made


def kind_class(owned: Owned[MetricSpec]) -> type[Kind[Any]]:
    """The class behind a spec."""
    module, _, attribute = owned.spec.target.partition(":")
    try:
        kind: type[Kind[Any]] = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        problem = f"metric {owned.spec.id!r} of plugin {owned.plugin!r} cannot be made ({error})"
        raise PluginError(problem, f"see {owned.spec.target} in that plugin") from error
    return kind


def _failure(value: Any, where: str) -> Failure:
    if value == "leave-out":
        return "leave-out"
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return float(value)
    raise ConfigError(f"{where}: key 'failure' is {value!r}", "give what a failed image scores, or 'leave-out'")


def share_rows(metrics: tuple[ProtocolMetric, ...]) -> tuple[ProtocolMetric, ...]:
    """Point each metric to the first one that makes the same rows."""
    makers: dict[Digest, str] = {}
    shared = []
    for metric in metrics:
        maker = makers.setdefault(digests.of_data(metric.kind.rows_key), metric.name)
        shared.append(ProtocolMetric(metric.name, metric.kind, metric.because, maker))
    if not shared:
        raise UsageError("no metric is left of the protocol", "name at least one")
    return tuple(shared)
