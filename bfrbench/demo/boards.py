"""The boards of the demonstration: run, made into leaderboards, and into pages of pictures."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bfrbench.leaderboard import Built

BOARDS: dict[str, int | None] = {"studio-ci": None, "studio": 200}
"""Boards by name, and how many of their images are enough for a demonstration."""


_BOARDS = "demo-boards"
"""Made anew each time, so its name is nobody else's."""


@dataclass(frozen=True)
class BoardShown:
    """What came out of one board."""

    board: str
    built: Built
    page: Path
    """The leaderboard as a page; the other forms lie beside it."""
    report: Path


def show_boards(restorers: Sequence[str], out: Path, *, full: bool) -> list[BoardShown]:
    """Run every restorer on every board; what is there already is not run again."""
    return [_show(board, None if full else limit, restorers, out) for board, limit in BOARDS.items()]


def _show(board: str, limit: int | None, restorers: Sequence[str], out: Path) -> BoardShown:
    from bfrbench import atomic
    from bfrbench.leaderboard import build
    from bfrbench.leaderboard.submitting import submit
    from bfrbench.report.page import render
    from bfrbench.report.runs import open_runs

    runs = _run(board, limit, restorers, out / "runs")
    folder = _fresh(board, out / _BOARDS)
    for run in runs:
        submit(run, folder.parent)
    built = build(folder)
    built.write()
    report = out / f"{board}.html"
    atomic.write_text(report, render(open_runs(runs)))
    return BoardShown(board, built, folder / "leaderboard.html", report)


def _run(board: str, limit: int | None, restorers: Sequence[str], out: Path) -> list[Path]:
    """The folders of finished runs, named after all that they depend on: after an update nothing old is in the way."""
    from bfrbench import digests
    from bfrbench.bench.plan import make_plan
    from bfrbench.bench.run import execute
    from bfrbench.bench.settings import Settings
    from bfrbench.bench.stage import open_stage

    stage, runs = open_stage(board), []
    for ref in restorers:
        plan = make_plan(ref, stage, Settings(save_images=True, limit=limit))
        chosen = digests.of_data(plan.draft.choices.model_dump(mode="json"))[:8]
        runs.append(out / (f"{board}-{limit}" if limit else board) / f"{ref}-{chosen}")
        execute(replace(plan, folder=runs[-1]))
    return runs


def _fresh(board: str, boards: Path) -> Path:
    """A folder of boards of its own, with this board and no scorecard yet."""
    from bfrbench.bench.board import board_path

    folder = boards / board
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    shutil.copy(board_path(board), folder)
    return folder
