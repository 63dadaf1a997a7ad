"""`bfrbench report`: runs as one page to look at."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import cyclopts

from bfrbench.errors import UsageError

_LIMIT = 30 << 20


def report(*runs: Path, out: Annotated[Path, cyclopts.Parameter(name=["--out", "-o"])] = Path("report.html")) -> None:
    """Write one page with the numbers and the pictures of runs on one board; it opens from disk, without network.

    Parameters
    ----------
    runs
        Folders of finished runs; those made with --save-images show their pictures.
    out
        The page.
    """
    from bfrbench import atomic
    from bfrbench.report.page import render
    from bfrbench.report.runs import open_runs

    if out.suffix != ".html":
        raise UsageError(f"{out} is no page", "give --out a name that ends with .html")
    text = render(open_runs(runs))
    atomic.write_text(out, text)
    size = len(text.encode())
    print(f"{out}: {size / 2**20:.1f} MiB, {len(runs)} runs")
    if size > _LIMIT:
        print("that is much for a browser: cut the runs with --limit, or name fewer of them")
