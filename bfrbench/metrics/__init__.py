"""Metrics and protocols: rows per image, pure finalisers, and files that freeze every choice.

Names are imported when they are first used, so that the catalogue of kinds can be read for nothing.
"""

from __future__ import annotations

import importlib
from typing import Any

_HOMES = {
    "Context": "finaliser",
    "Finaliser": "finaliser",
    "Kind": "kind",
    "Measure": "kind",
    "Value": "finaliser",
    "Protocol": "protocol",
    "ProtocolMetric": "protocol",
    "load_protocol": "protocol",
    "protocol_names": "protocol",
    "Scorer": "scorer",
    "finalise": "scorer",
}

__all__ = list(_HOMES)


def __getattr__(name: str) -> Any:
    if home := _HOMES.get(name):
        return getattr(importlib.import_module(f"bfrbench.metrics.{home}"), name)
    raise AttributeError(f"module 'bfrbench.metrics' has no attribute {name!r}")
