"""The text of a new board file, with every key that its author may want to change."""

from __future__ import annotations

import json

_TEXT = """\
name = {name}
title = {name}
summary = "Say what this board asks, and of which faces."
dataset = {dataset}
size = {size}                # side in pixels that every face is compared at
degradation = {degradation}  # a recipe, or "given" when the low-quality images come with the set
seed = 0                     # of the degradation and of restorers that draw
protocol = {protocol}
codec = "png"                # what a restored image goes through: png, jpeg:QUALITY or webp:QUALITY
max_failures = 0.01          # share of images that may fail before a scorecard is "failed"

# The same metrics over groups of images: severity, yaw, pitch, roll (edges) or identity (groups).
# [[breakdown]]
# by = "yaw"
# edges = [30, 60]
# absolute = true

# [ranking]
# metric = "lpips-alex"

# What a gate against a baseline allows; the most specific rule wins.
# [[gate]]
# metric = "psnr"
# max_drop = 0.1
"""


def draft(name: str, dataset: str, size: int, degradation: str, protocol: str) -> str:
    """A board that can be run as it stands."""
    words = {"name": name, "dataset": dataset, "degradation": degradation, "protocol": protocol}
    return _TEXT.format(size=size, **{key: json.dumps(value) for key, value in words.items()})
