"""What commands print: JSON for programs, tables for people. Data goes to stdout, everything else to stderr."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Annotated, Any

import cyclopts

Json = Annotated[bool, cyclopts.Parameter(name="--json", negative=(), help="Print JSON instead of a table.")]


def print_json(data: Any) -> None:
    print(json.dumps(data, indent=2, ensure_ascii=False, allow_nan=False))


_WIDEST = 80
"""Characters of one column; longer cells go on in the next line."""


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]], *, title: str = "") -> None:
    """A table as wide as the terminal allows; in a pipe as wide as it needs, without spaces at the end of lines."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(title=title or None, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold", max_width=_WIDEST)
    for row in rows:
        table.add_row(*(Text(str(cell)) for cell in row))
    console = Console()
    if console.is_terminal:
        console.print(table)
        return
    wide = Console(width=max(80, Console(width=10_000).measure(table).maximum))
    with wide.capture() as printed:
        wide.print(table)
    print("\n".join(line.rstrip() for line in printed.get().splitlines()))
