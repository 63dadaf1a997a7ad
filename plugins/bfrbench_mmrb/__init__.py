"""MMRB-StyleGAN2: a reconstruction from the abstract of Hu et al. (2022), whose text could not be had.

`from bfrbench_mmrb import MMRB` gives the block alone, for any network.
"""

from __future__ import annotations

import importlib
from typing import Any

_HOMES = {
    "MMRB": "block",
    "MSRB": "block",
    "ResidualBlock": "block",
    "make_block": "block",
    "insert_after": "insertion",
}

__all__ = list(_HOMES)


def __getattr__(name: str) -> Any:
    if home := _HOMES.get(name):
        return getattr(importlib.import_module(f"bfrbench_mmrb.{home}"), name)
    raise AttributeError(f"module 'bfrbench_mmrb' has no attribute {name!r}")
