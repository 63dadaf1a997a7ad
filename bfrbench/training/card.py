"""The card of a trained weights file: recipe, origin, data and licences, clock, digests; written and read here."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bfrbench import atomic
from bfrbench.digests import Digest
from bfrbench.errors import WeightsError

UNKNOWN = "unknown"
"""Stands among data sets for what nobody has written down."""


@dataclass(frozen=True)
class Trained:
    """What a card says of the training that a weights file came of."""

    recipe: str
    images: int
    data: tuple[str, ...]
    """References of all data sets that it rests on, those of its prior too."""
    loss_networks: tuple[str, ...]


def path_of(weights: Path) -> Path:
    return weights.with_suffix(".toml")


def write_card(
    weights: Path,
    facts: Mapping[str, Any],
    data: Iterable[str],
    origin: Mapping[str, Any] | None,
    known: Mapping[str, Mapping[str, Any]],
) -> None:
    """TOML, because that is what every card here is. `known` are more facts of some of the data sets."""
    lines, own = _pairs(facts), list(dict.fromkeys(data))
    if origin:
        lines += ["", "[origin]", *_pairs({key: value for key, value in origin.items() if key != "data"})]
    before = [name for name in (origin or {}).get("data", []) if name not in own]
    for name in (*own, *before):
        lines += ["", "[[data]]", *_pairs({"set": name, **known.get(name, {}), "licence": _licence(name)})]
        lines += _pairs({"seen_by": "its origin alone"}) if name in before else []
    atomic.write_text(path_of(weights), "\n".join(lines) + "\n")


def read_card(weights: Path, *, sha256: Digest) -> Trained | None:
    """The card beside a weights file of this digest, or None where a training wrote none. What lies there may also
    be the card of the file that this one was converted from; it says nothing of this one."""
    path = path_of(weights)
    if path == weights or not path.is_file():
        return None
    try:
        held = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError):
        return None  # not of this project
    try:
        found = Trained(
            str(held["recipe"]),
            int(held["images"]),
            tuple(str(each["set"]) for each in held["data"]),
            tuple(held["loss_networks"]),
        )
    except (KeyError, TypeError, ValueError):
        return None
    if held.get("sha256") != sha256:
        if held.get("file") != weights.name:
            return None
        raise WeightsError(f"{path} is the card of another file than {weights.name}", "put its own beside it, or none")
    return found


def _licence(reference: str) -> str:
    from bfrbench.data.card import card_of
    from bfrbench.plugins import PluginHost

    if card := card_of(reference):
        return card.licence
    if plugged := PluginHost().datasets().get(reference):
        return plugged.spec.licence
    return "unknown: the set has no card; say here under which terms it may be used"


def _pairs(facts: Mapping[str, Any]) -> list[str]:
    return [f"{key} = {_toml(value)}" for key, value in facts.items()]


def _toml(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(_toml, value))}]"
    if isinstance(value, (int, float)):
        return repr(value)
    text = str(value).replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{text}"'
