"""`bfrbench submit`: a scorecard into the place where a pull request brings it to a leaderboard."""

from __future__ import annotations

from pathlib import Path

from bfrbench.cli.output import Json, print_json


def submit(scorecard: Path, /, *, into: Path | None = None, json: Json = False) -> None:
    """Check a scorecard and put it, with its rows, beside those of its board.

    Parameters
    ----------
    scorecard
        A finished run, or a scorecard with its rows beside it.
    into
        The folder of boards (default: leaderboards/ of the checkout). A folder of your own gets the board's file too.
    """
    from bfrbench.leaderboard.submitting import submit as put

    done = put(scorecard, into)
    folder = done.path.parent.parent
    if json:
        print_json({"path": str(done.path), "warnings": list(done.warnings)})
        return
    print(f"{done.path} is in place, with its rows")
    for warning in done.warnings:
        print(f"note: {warning}")
    if into is not None:
        print(f"next: bfrbench leaderboard build {folder}")
        return
    print(f"next: bfrbench leaderboard build {folder.name}, commit both, and open a pull request")
