"""`bfrbench leaderboard`: scorecards to tables."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import cyclopts

from bfrbench.cli.output import Json, print_json, print_table
from bfrbench.errors import InputError

if TYPE_CHECKING:
    from bfrbench.leaderboard import Built

app = cyclopts.App(name="leaderboard", help="Build leaderboards from scorecards, and show them.")


@app.command
def build(*boards: str, check: bool = False, json: Json = False) -> None:
    """Write README.md, leaderboard.csv, .json, .tex and .html beside a board's scorecards.

    Parameters
    ----------
    boards
        Names or folders of boards (default: every board that has scorecards).
    check
        Write nothing; fail when a file is not what the scorecards say.
    """
    from bfrbench.leaderboard import build as build_one

    built = [build_one(folder) for folder in _folders(boards)]
    stale = [path for one in built for path in one.stale]
    if json:
        print_json([one.table.dump() for one in built])
    else:
        for one in built:
            show(one)
    if not check:
        for one in built:
            one.write()
    elif stale:
        named = ", ".join(str(path) for path in stale[:5])
        raise InputError(f"{named} are not what the scorecards say", "run 'bfrbench leaderboard build' and commit")


def _folders(boards: tuple[str, ...]) -> list[Path]:
    from bfrbench.bench.board import board_path, shipped_boards
    from bfrbench.leaderboard.entries import SCORECARDS

    if boards:
        return [board_path(name).parent for name in boards]
    found = [path.parent for path in shipped_boards().values() if list((path.parent / SCORECARDS).glob("*.json"))]
    if not found:
        raise InputError("no board has a scorecard yet", "put one in place with 'bfrbench submit RUN'")
    return found


def show(built: Built) -> None:
    from bfrbench.leaderboard import texts

    table = built.table
    columns = [
        "rank",
        "restorer",
        *(f"{column.name} {column.arrow}" for column in table.columns),
        *texts.COST_HEAD,
        "notes",
    ]
    lines = [
        (
            texts.rank(line),
            line.restorer,
            *(texts.plain_number(line.numbers.get(column.name)) for column in table.columns),
            *texts.cost(line),
            line.notes,
        )
        for line in table.lines
    ]
    print_table(columns, lines, title=table.title)
    if table.unranked:
        print(f"nobody is ranked: {table.unranked}")
