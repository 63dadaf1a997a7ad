"""The figure of a weakness: metrics against a label of the images, such as how far a face is turned, for all runs."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from bfrbench.bench.comparing import arrow
from bfrbench.errors import InputError, UsageError
from bfrbench.report.figure import save
from bfrbench.report.runs import Run, Runs
from bfrbench.stats.means import mean_estimate
from bfrbench.stats.people import codes

Floats = npt.NDArray[np.float64]

_WIDTH = {"severity": 0.1}
"""Width of a cell; 15 degrees for angles."""
_MIRRORED = ("yaw", "roll")
"""Labels whose sign says left or right, which restorers hardly tell apart: their size alone is shown."""
_FEWEST = 8
"""People below which an interval says nothing of use."""
_FEW = 12
"""A label with no more values than this, such as a grid of poses, gets one cell for each."""
_MARKERS = "os^Dv<>PphX"
_SIZE = 3.2
"""Inches that one panel is wide."""


@dataclass(frozen=True, slots=True)
class Point:
    """The mean of a metric over the images of one cell, with its 95 % interval over people where there are enough."""

    run: str
    metric: str
    at: float
    value: float
    low: float | None
    high: float | None
    images: int
    left_out: int
    """Images of the cell without a number, such as failures."""


def points(runs: Runs, label: str, metrics: Sequence[str]) -> list[Point]:
    """Every run and metric along the label."""
    _check(runs, label, metrics)
    told = np.array([np.nan if value is None else value for value in runs.labels[label]], np.float64)
    places = _places(np.abs(told) if label in _MIRRORED else told, _WIDTH.get(label, 15.0))
    found = [
        point
        for metric in metrics
        for run in runs.runs
        for at in np.unique(places[np.isfinite(places)])
        if (point := _point(runs, run, metric, float(at), places == at)) is not None
    ]
    for metric in metrics:
        if all(point.metric != metric for point in found):
            problem = f"{metric!r} has no finite value along {label}"
            raise InputError(problem, "choose another metric, or runs of other restorers")
    return found


def draw(runs: Runs, label: str, found: Sequence[Point], outs: Sequence[Path]) -> None:
    """One panel a metric, one line a run, to every path in the format of its suffix."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    metrics = list(dict.fromkeys(point.metric for point in found))
    figure, axes = pyplot.subplots(
        1, len(metrics), squeeze=False, figsize=(_SIZE * len(metrics), 0.8 * _SIZE), layout="constrained"
    )
    for panel, metric in zip(axes[0], metrics, strict=True):
        for run, marker in zip(runs.runs, _MARKERS * len(runs.runs), strict=False):
            line = [point for point in found if (point.run, point.metric) == (run.name, metric)]
            if line:  # of a run whose every value is infinite there is nothing to draw
                _line(panel, line, marker)
        panel.set_xlabel(f"|{label}| (degrees)" if label in _MIRRORED else label, fontsize=8)
        panel.set_ylabel(f"{metric} {arrow(runs.metrics[metric])}", fontsize=8)
        panel.tick_params(labelsize=7)
    axes[0][0].legend(fontsize=6)
    for out in outs:
        save(figure, out)
    pyplot.close(figure)


def _line(panel: Any, line: Sequence[Point], marker: str) -> None:
    """A run: a filled marker with its interval, a hollow one where there are too few people for one."""
    at, value = [p.at for p in line], [p.value for p in line]
    (drawn,) = panel.plot(at, value, marker=marker, markersize=4, fillstyle="none", linewidth=1, label=line[0].run)
    sure = [
        (p.at, p.value, p.value - p.low, p.high - p.value) for p in line if p.low is not None and p.high is not None
    ]
    if sure:
        x, y, below, above = zip(*sure, strict=True)
        style = {"marker": marker, "markersize": 4, "linewidth": 0, "elinewidth": 1, "capsize": 2}
        panel.errorbar(x, y, yerr=(below, above), color=drawn.get_color(), **style)


def as_csv(label: str, found: Sequence[Point]) -> str:
    """The numbers behind the figure."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["restorer", "metric", label, "mean", "low", "high", "images", "left_out"])
    for p in found:
        writer.writerow([p.run, p.metric, p.at, p.value, p.low, p.high, p.images, p.left_out])
    return text.getvalue()


def _check(runs: Runs, label: str, metrics: Sequence[str]) -> None:
    if label not in runs.labels or label == "identity":
        have = ", ".join(name for name in runs.labels if name != "identity") or "none"
        raise InputError(f"the images of these runs have no label {label!r}", f"labels they have: {have}")
    if not metrics:
        raise UsageError("no metric was named", f"name some with --metric: {', '.join(runs.metrics)}")
    for metric in metrics:
        if metric not in runs.metrics:
            raise InputError(f"the runs have no metric {metric!r}", f"there are {', '.join(runs.metrics)}")
        if all(value is None for value in runs.column(runs.first, metric)):
            raise InputError(f"{metric!r} has no value for each image", "choose a metric that is a mean over images")


def _places(told: Floats, width: float) -> Floats:
    """The middle of each image's cell, NaN where the label is not known; a label of few values keeps them."""
    if len(np.unique(told[np.isfinite(told)])) <= _FEW:
        return told
    places: Floats = (np.floor(told / width) + 0.5) * width
    return places


def _point(runs: Runs, run: Run, metric: str, at: float, inside: npt.NDArray[np.bool_]) -> Point | None:
    column = np.array([np.nan if value is None else value for value in runs.column(run, metric)], np.float64)
    there = inside & np.isfinite(column)
    count, out = int(there.sum()), int(inside.sum() - there.sum())
    if count == 0:
        return None
    people = runs.labels.get("identity", [None] * len(column))
    owners = [people[index] for index in np.flatnonzero(there)]
    if codes(count, owners)[1] < _FEWEST:
        return Point(run.name, metric, at, float(column[there].mean()), None, None, count, out)
    estimate = mean_estimate(column[there], owners)
    interval = estimate.interval
    return Point(run.name, metric, at, estimate.value, interval.low, interval.high, count, out)
