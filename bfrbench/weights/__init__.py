"""Weight files by name: found, fetched, verified and read without running anything that a file may contain."""

from __future__ import annotations

from bfrbench.weights.card import Source, WeightCard
from bfrbench.weights.reading import load_state_dict
from bfrbench.weights.store import WeightStore

__all__ = ["Source", "WeightCard", "WeightStore", "load_state_dict"]
