"""Faces rendered from nothing, with exact labels: an embedded data set for tests, CI and first runs.

It never ranks methods: docs/studio.md says what networks that know only real faces see in it.
"""

from __future__ import annotations

from bfrbench.studio.paint import CLASSES
from bfrbench.studio.rendering import Shot, render
from bfrbench.studio.shoot import EXPRESSIONS
from bfrbench.studio.splits import PLANS, Split, split
from bfrbench.studio.stream import stream

__all__ = ["render", "Shot", "split", "Split", "PLANS", "stream", "CLASSES", "EXPRESSIONS"]
