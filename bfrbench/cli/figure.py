"""`bfrbench figure`: the picture and the table of a paper."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import cyclopts


def figure(
    *runs: Path,
    ids: Annotated[list[str], cyclopts.Parameter(consume_multiple=True)],
    out: Annotated[Path, cyclopts.Parameter(name=["--out", "-o"])] = Path("figure"),
    box: list[str] | None = None,
    metric: str = "",
    baseline: str | None = None,
) -> None:
    """Draw chosen images by restorers, with boxes shown enlarged, as PDF and PNG; and the table as LaTeX.

    Parameters
    ----------
    runs
        Folders of finished runs on one board, made with --save-images.
    ids
        The images to show, top to bottom.
    out
        Where to write, without suffix: OUT.pdf, OUT.png and OUT.tex.
    box
        A square to enlarge, left,top,side as shares of the picture; may be given up to four times.
    metric
        Write this number of each image under its picture.
    baseline
        The restorer that the table's differences are taken from.
    """
    from bfrbench import atomic
    from bfrbench.errors import UsageError
    from bfrbench.report.figure import draw, latex, parse_box
    from bfrbench.report.runs import open_runs

    boxes = [parse_box(text) for text in box or []]
    if len(boxes) > 4:
        raise UsageError(f"{len(boxes)} boxes were given", "give four at most")
    opened = open_runs(runs)
    table = latex(opened, baseline)
    paths = [out.with_name(f"{out.name}{suffix}") for suffix in (".pdf", ".png")]
    out.parent.mkdir(parents=True, exist_ok=True)
    draw(opened, ids, boxes, paths, metric=metric)
    written = out.with_name(f"{out.name}.tex")
    atomic.write_text(written, table)
    print(", ".join(map(str, [*paths, written])))
