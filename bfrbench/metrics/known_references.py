"""References as people call them: by the name a protocol gives one, with who asks for it and where it comes from."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from bfrbench.errors import InputError, UnknownName
from bfrbench.metrics.protocol import Protocol, ProtocolMetric, load_protocol, protocol_names
from bfrbench.metrics.reference import Reference, load_reference
from bfrbench.metrics.references import SUFFIX, names, place, read_reference, remedy


def look_up(text: str) -> tuple[Reference, Path]:
    """A reference by what people call it: the name that protocols give it, or the path of its file."""
    path = Path(text)
    if path.suffix == SUFFIX or path.parent != Path():
        return load_reference(path), path
    if place(text).is_file():
        return load_reference(place(text)), place(text)
    if path.is_file():
        return load_reference(path), path
    asking = [(load_protocol(one), metrics[0]) for one, metrics in takers(text).items()]
    if not asking:
        raise UnknownName("reference", text, names())
    protocol, metric = asking[0][0], asking[0][0].metric(asking[0][1])
    return _published_here(text, metric, protocol)


def _published_here(name: str, metric: ProtocolMetric, protocol: Protocol) -> tuple[Reference, Path]:
    """Statistics that a weight card publishes, as the metric that asks for them reads them; nothing is downloaded."""
    from bfrbench.weights import WeightStore

    store = WeightStore()
    if name not in store.cards:
        raise UnknownName("reference", name, names(), remedy(metric, protocol, name))
    card = store.card(name)
    places_of_it = ", ".join(source.label for source in card.sources) or card.by_hand
    if (path := store.find(name)) is None:
        problem = f"the statistics {name} are published and not here: {card.summary}"
        raise InputError(problem, f"get them with 'bfrbench weights fetch {name}', from {places_of_it}")
    found = read_reference(path, metric, protocol, name)
    return replace(found, source=f"{found.source}; {places_of_it}"), path


def takers(name: str) -> dict[str, list[str]]:
    """The metrics that compare with a reference of that name, by shipped protocol."""
    found = {
        one: [metric.name for metric in load_protocol(one).metrics if metric.kind.reference == name]
        for one in protocol_names()
    }
    return {protocol: metrics for protocol, metrics in found.items() if metrics}
