"""Faces rendered from nothing, with exact labels: an embedded data set for tests, CI and first runs.

It never ranks methods: see docs/studio.md for what real-face networks say of it.
"""

from __future__ import annotations

from bfrbench.studio.rendering import Shot, render
from bfrbench.studio.paint import CLASSES

__all__ = ["CLASSES", "Shot", "render"]
