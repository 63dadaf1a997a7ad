"""The figure of a paper: chosen images by restorers, with boxes that are shown enlarged, and the table beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bfrbench import atomic
from bfrbench.bench.comparing import arrow, goodness
from bfrbench.errors import InputError, UsageError
from bfrbench.leaderboard import texts
from bfrbench.report.pictures import images_of, sources
from bfrbench.report.runs import Runs, open_inputs

if TYPE_CHECKING:
    from bfrbench.contracts import U8Image

_SIDE = 1.25
"""Inches that one picture is wide."""


@dataclass(frozen=True, slots=True)
class ZoomBox:
    """A square that is shown enlarged: left, top and side, as shares of the picture."""

    left: float
    top: float
    side: float

    def cut(self, image: U8Image) -> U8Image:
        height, width = image.shape[:2]
        left, top, side = round(self.left * width), round(self.top * height), max(2, round(self.side * width))
        return image[top : top + side, left : left + side]


def parse_box(text: str) -> ZoomBox:
    """`left,top,side` as shares of the picture, each between 0 and 1."""
    try:
        left, top, side = (float(part) for part in text.split(","))
    except ValueError as error:
        raise UsageError(f"{text!r} is no box", "write left,top,side like 0.3,0.35,0.25") from error
    if not (side > 0 and left >= 0 and top >= 0 and left + side <= 1 and top + side <= 1):
        raise UsageError(f"box {text!r} leaves the picture", "keep left + side and top + side within 1")
    return ZoomBox(left, top, side)


def draw(runs: Runs, ids: Sequence[str], boxes: Sequence[ZoomBox], outs: Sequence[Path], *, metric: str = "") -> None:
    """Write the grid to every path, each in the format of its suffix; with `metric`, its value under each picture."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    _check(runs, ids, metric)
    stage, _ = open_inputs(runs)
    columns = sources(runs, stage)
    if not columns:
        raise InputError("none of the runs kept its pictures", "run them with --save-images")
    each = 1 + bool(boxes)
    figure, axes = pyplot.subplots(
        len(ids) * each,
        len(columns),
        squeeze=False,
        figsize=(_SIDE * len(columns), _SIDE * len(ids) * (1 + 0.5 * bool(boxes)) + 0.3),
        height_ratios=[1, 0.5] * len(ids) if boxes else None,
        layout="constrained",
    )
    for row, image_id in enumerate(ids):
        images = images_of(runs, stage, image_id)
        for column, name in enumerate(columns):
            cell = axes[row * each][column]
            _picture(cell, images.get(name), boxes)
            if row == 0:
                cell.set_title(name, fontsize=7)
            cell.set_xlabel(_value(runs, name, image_id, metric), fontsize=6)
            if boxes:
                _enlarged(axes[row * each + 1][column], images.get(name), boxes)
    for out in outs:
        save(figure, out)
    pyplot.close(figure)


def save(figure: Any, out: Path) -> None:
    """Whole or not at all; a PDF without the time, so that the same runs give the same bytes."""
    with atomic.landing(out) as part:
        figure.savefig(part, dpi=300, metadata={"CreationDate": None} if out.suffix == ".pdf" else None)


def _check(runs: Runs, ids: Sequence[str], metric: str) -> None:
    if not ids:
        raise UsageError("no image was chosen", f"name ids, for example {runs.ids[0]}")
    if missing := [image_id for image_id in ids if image_id not in runs.ids]:
        raise InputError(f"the runs have no image {missing[0]!r}", f"ids look like {runs.ids[0]}")
    if metric and metric not in runs.metrics:
        raise InputError(f"the runs have no metric {metric!r}", f"there are {', '.join(runs.metrics)}")


_COLOURS = ("#e4572e", "#17bebb", "#ffc914", "#76b041")


def _bare(axes: Any) -> None:
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_visible(False)


def _picture(axes: Any, image: U8Image | None, boxes: Sequence[ZoomBox]) -> None:
    from matplotlib.patches import Rectangle

    _bare(axes)
    if image is None:
        axes.text(0.5, 0.5, "none", ha="center", va="center", fontsize=7, transform=axes.transAxes)
        return
    axes.imshow(image, interpolation="nearest")
    height, width = image.shape[:2]
    for box, colour in zip(boxes, _COLOURS, strict=False):
        corner, side = (box.left * width, box.top * height), box.side * width
        axes.add_patch(Rectangle(corner, side, side, fill=False, edgecolor=colour, linewidth=0.8))


def _enlarged(axes: Any, image: U8Image | None, boxes: Sequence[ZoomBox]) -> None:
    """All boxes of a picture side by side, each in its colour."""
    _bare(axes)
    if image is None:
        return
    for index, (box, colour) in enumerate(zip(boxes, _COLOURS, strict=False)):
        inner = axes.inset_axes((index / len(boxes), 0, 1 / len(boxes), 1))
        inner.imshow(box.cut(image), interpolation="nearest")
        inner.set_xticks([])
        inner.set_yticks([])
        for spine in inner.spines.values():
            spine.set(color=colour, linewidth=0.8)


def _value(runs: Runs, name: str, image_id: str, metric: str) -> str:
    run = next((run for run in runs.runs if run.name == name), None)
    if not metric or run is None:
        return ""
    value = runs.column(run, metric)[runs.ids.index(image_id)]
    return "" if value is None or not np.isfinite(value) else f"{metric} {value:.4g}"


def latex(runs: Runs, baseline: str | None = None) -> str:
    """A booktabs table of the runs; with a baseline, every other line shows how far it is from it."""
    base = next((run for run in runs.runs if run.name == baseline), None)
    if baseline is not None and base is None:
        raise InputError(f"no run is named {baseline!r}", f"there are {', '.join(run.name for run in runs.runs)}")
    metrics = [f"{texts.tex(name)} {texts.tex_arrow(arrow(one))}" for name, one in runs.metrics.items()]
    head = " & ".join(["Method", *metrics])
    lines = []
    for run in runs.runs:
        cells = [texts.tex(run.name)]
        for name, result in run.side.card.results.metrics.items():
            before = None if base is None or base is run else base.side.card.results.metrics[name].value
            cells.append(_cell(result.value, before, better=_better(runs, name, result.value, before)))
        lines.append(" & ".join(cells) + " \\\\")
    begin = f"\\begin{{tabular}}{{l{'c' * len(runs.metrics)}}}"
    return "\n".join([begin, "\\toprule", f"{head} \\\\", "\\midrule", *lines, "\\bottomrule", "\\end{tabular}", ""])


def _better(runs: Runs, metric: str, value: float | None, before: float | None) -> bool | None:
    if value is None or before is None or value == before:
        return None
    result = runs.metrics[metric]
    return goodness(result, value) > goodness(result, before)


def _cell(value: float | None, before: float | None, *, better: bool | None) -> str:
    if value is None:
        return "--"
    if before is None:
        return f"{value:.4g}"
    text = f"{value:.4g} {{\\scriptsize({value - before:+.3g})}}"
    return f"\\textbf{{{text}}}" if better else text
