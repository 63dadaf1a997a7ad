"""The card of a trained weights file: recipe, data and their licences, clock, digests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bfrbench import atomic


def write_card(path: Path, facts: Mapping[str, Any], data: Sequence[str]) -> None:
    """TOML, because that is what every card here is."""
    lines = [f"{key} = {_toml(value)}" for key, value in facts.items()]
    for reference in data:
        lines += ["", "[[data]]", f"set = {_toml(reference)}", f"licence = {_toml(_licence(reference))}"]
    atomic.write_text(path, "\n".join(lines) + "\n")


def _licence(reference: str) -> str:
    from bfrbench.data import cards

    card = cards().get(reference.partition(":")[0])
    return card.licence if card else "unknown: the set has no card; say here under which terms it may be used"


def _toml(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(_toml, value))}]"
    if isinstance(value, (int, float)):
        return repr(value)
    text = str(value).replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{text}"'
