"""The curves of a run, from its stats: one panel for each number, as SVG."""

from __future__ import annotations

import math
from pathlib import Path

from bfrbench import atomic
from bfrbench.errors import InputError
from bfrbench.training.journal import read_stats

_COLUMNS = 3


def draw(out: Path) -> Path:
    """Write `curves.svg` into the run's folder."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    lines = [line for line in read_stats(out) if "event" not in line]
    names = sorted({name for line in lines for name in line} - {"images", "timing"})
    if not names:
        raise InputError(f"{out} holds no stats to draw", "give the folder of a run that has trained for a while")
    rows = math.ceil(len(names) / _COLUMNS)
    figure, axes = pyplot.subplots(rows, _COLUMNS, figsize=(4 * _COLUMNS, 2.5 * rows), squeeze=False)
    for axis in axes.flat[len(names) :]:
        axis.remove()
    for name, axis in zip(names, axes.flat, strict=False):
        points = [(line["images"], line[name]) for line in lines if isinstance(line.get(name), (int, float))]
        axis.plot([x for x, _ in points], [y for _, y in points], linewidth=1)
        axis.set_title(name, fontsize=9)
        axis.set_xlabel("images", fontsize=8)
        axis.tick_params(labelsize=7)
    figure.tight_layout()
    path = out / "curves.svg"
    with atomic.landing(path) as part:
        figure.savefig(part, format="svg")
    pyplot.close(figure)
    return path
