"""The cards that plugins bring: folders of the same TOML files as bfrbench's own, read one plugin at a time."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from bfrbench.errors import ConfigError
from bfrbench.plugins import PluginHost
from bfrbench.weights.card import WeightCard, read_cards


def offered_cards(host: PluginHost, taken: Mapping[str, WeightCard]) -> tuple[dict[str, WeightCard], list[str]]:
    """The plugins' cards by name, and a sentence for each that cannot be used; names of `taken` are kept."""
    found: dict[str, WeightCard] = {}
    faults = []
    for plugin, folder in host.call("bfrbench_weight_cards"):
        if not folder:
            continue
        try:
            cards = read_cards(_folder(folder))
        except ConfigError as error:
            faults.append(f"the weight cards of plugin {plugin!r} cannot be used: {error.problem}")
            continue
        for name, card in cards.items():
            if name in taken or name in found:
                faults.append(f"plugin {plugin!r} brings a weight card named {name!r}, which is taken")
            else:
                found[name] = card
    return found, faults


def _folder(folder: object) -> Path:
    if not isinstance(folder, Path) or not folder.is_dir():
        raise ConfigError(f"{folder!r} is not a folder", "give the Path of a folder of TOML files")
    return folder
