"""`bfrbench figure`: the picture and the table of a paper, or metrics along a label."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import cyclopts

if TYPE_CHECKING:
    from bfrbench.report.runs import Runs


def figure(
    *runs: Path,
    ids: Annotated[list[str] | None, cyclopts.Parameter(consume_multiple=True)] = None,
    out: Annotated[Path, cyclopts.Parameter(name=["--out", "-o"])] = Path("figure"),
    box: list[str] | None = None,
    metric: list[str] | None = None,
    baseline: str | None = None,
    against: str | None = None,
) -> None:
    """Draw chosen images by restorers, with boxes shown enlarged, as PDF and PNG; and the table as LaTeX.

    With --against, draw metrics of all runs along a label of the images instead, and write its numbers as OUT.csv.

    Parameters
    ----------
    runs
        Folders of finished runs on one board; made with --save-images, unless with --against.
    ids
        The images to show, top to bottom.
    out
        Where to write, without suffix: OUT.pdf, OUT.png and OUT.tex.
    box
        A square to enlarge, left,top,side as shares of the picture; may be given up to four times.
    metric
        Write this number of each image under its picture; with --against, a panel each, may be given several times.
    baseline
        The restorer that the table's differences are taken from.
    against
        The label along which metrics are drawn: yaw, pitch, roll or severity.
    """
    from bfrbench.errors import UsageError
    from bfrbench.report.runs import open_runs

    if against is not None and (ids or box or baseline):
        raise UsageError("--against draws metrics, not images", "leave out --ids, --box and --baseline")
    metrics = metric or []
    if against is None and len(metrics) > 1:
        raise UsageError(f"{len(metrics)} metrics were given", "one fits under a picture")
    opened = open_runs(runs)
    out.parent.mkdir(parents=True, exist_ok=True)
    paths = [out.with_name(f"{out.name}{suffix}") for suffix in (".pdf", ".png")]
    if against is not None:
        written = _along(opened, against, metrics, out, paths)
    else:
        written = _pictures(opened, ids or [], box or [], metrics, baseline, out, paths)
    print(", ".join(map(str, [*paths, written])))


def _pictures(
    runs: Runs, ids: list[str], boxes: list[str], metrics: list[str], baseline: str | None, out: Path, paths: list[Path]
) -> Path:
    from bfrbench import atomic
    from bfrbench.errors import UsageError
    from bfrbench.report.figure import draw, latex, parse_box

    if len(boxes) > 4:
        raise UsageError(f"{len(boxes)} boxes were given", "give four at most")
    zoomed = [parse_box(text) for text in boxes]
    table = latex(runs, baseline)
    draw(runs, ids, zoomed, paths, metric="".join(metrics))
    written = out.with_name(f"{out.name}.tex")
    atomic.write_text(written, table)
    return written


def _along(runs: Runs, label: str, metrics: list[str], out: Path, paths: list[Path]) -> Path:
    from bfrbench import atomic
    from bfrbench.report.trend import as_csv, draw, points

    found = points(runs, label, metrics)
    draw(runs, label, found, paths)
    written = out.with_name(f"{out.name}.csv")
    atomic.write_text(written, as_csv(label, found))
    return written
