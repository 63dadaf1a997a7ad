"""Metrics added to a protocol on the command line: `pyiqa:NAME`."""

from __future__ import annotations

from bfrbench.errors import UsageError
from bfrbench.metrics.protocol import Protocol, ProtocolMetric, make_kind, share_rows
from bfrbench.metrics.pyiqa_metric import pyiqa_facts
from bfrbench.plugins import PluginHost

_PREFIX = "pyiqa:"


def with_pyiqa(protocol: Protocol, name: str) -> Protocol:
    """The protocol and one of pyiqa's metrics; its digest says that it is another."""
    model = name.removeprefix(_PREFIX)
    if model == name:
        raise UsageError(f"{name!r} cannot be added to a protocol", "write pyiqa:NAME, or write a protocol file")
    if any(metric.name == name for metric in protocol.metrics):
        raise UsageError(f"{name} is given twice", "give it once")
    against, better = pyiqa_facts(model)
    choices = {"model": model, "against": against, "better": better}
    kind = make_kind("pyiqa", choices, "leave-out", host=PluginHost(), where=name)
    because = dict.fromkeys((*choices, "failure"), "asked for on the command line")
    added = (*protocol.metrics, ProtocolMetric(name, kind, because, name))
    return Protocol(protocol.name, protocol.summary, protocol.sources, protocol.notes, share_rows(added))
