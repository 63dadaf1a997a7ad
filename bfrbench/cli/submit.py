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
        The folder of boards (default: leaderboards/ of the checkout).
    """
    from bfrbench.leaderboard.submitting import submit as put

    done = put(scorecard, into)
    board = done.path.parent.parent.name
    if json:
        print_json({"path": str(done.path), "warnings": list(done.warnings)})
        return
    print(f"{done.path} is in place, with its rows")
    for warning in done.warnings:
        print(f"note: {warning}")
    print(f"next: bfrbench leaderboard build {board}, commit both, and open a pull request")
