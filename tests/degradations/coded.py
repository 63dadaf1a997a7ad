"""Recipes written in code, as a plugin would."""

from __future__ import annotations

from typing import Any

from bfrbench.contracts import Draw, Pair


class Inverted:
    digest = "1" * 64

    def draw(self, seed: int, image_id: str, *, view: int = 0) -> Draw:
        return Draw(self.digest, image_id, view, 0, ())

    def apply(self, gt: Any, draw: Draw) -> Pair:
        return Pair(255 - gt, gt)


class Empty:
    """Lacks everything."""
