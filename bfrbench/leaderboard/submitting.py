"""Putting a scorecard in place for a pull request, after every check that the pull request will run."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from bfrbench import atomic, places
from bfrbench.bench import scorecard
from bfrbench.bench.board import FILE as BOARD_FILE
from bfrbench.bench.board import Board, board_path, load_board, shipped_boards
from bfrbench.bench.checking import rows_path
from bfrbench.errors import BfrbenchError, InputError, UnknownName, UsageError
from bfrbench.leaderboard.entries import SCORECARDS, Entry, check_together, read_entry


@dataclass(frozen=True)
class Submitted:
    """Where a scorecard went, and what its sender should know."""

    path: Path
    warnings: tuple[str, ...]


def boards_folder(into: Path | None) -> Path:
    """The folder of boards that a submission goes to: the one given, else the checkout's."""
    if into is not None:
        return into
    root = places.checkout()
    if root is None:
        raise UsageError("there is no checkout of bfrbench here", "clone it and submit from there, or give --into")
    return root / "leaderboards"


def submit(place: Path, into: Path | None = None) -> Submitted:
    """Check a scorecard together with those that are there, and copy it and its rows."""
    card = scorecard.read(place)
    folder = boards_folder(into) / card.results.board
    if (folder / BOARD_FILE).is_file():
        board = load_board(folder / BOARD_FILE)
    elif card.results.board in (shipped := shipped_boards()):
        board = load_board(card.results.board)
    else:
        raise UnknownName("board", card.results.board, shipped)
    entry = read_entry(place, board)
    if card.results.status == "failed":
        raise InputError(f"{place} is of a failed run", "mend the restorer and run the board again")
    _check_digest(entry, board)
    there = [read_entry(path, board) for path in sorted((folder / SCORECARDS).glob("*.json"))]
    target = folder / SCORECARDS / f"{slug(entry)}.json"
    check_together([*there, Entry(f"the new {target.stem}", entry.card, entry.rows)])
    if not (folder / BOARD_FILE).is_file():  # a folder of somebody's own gets the board that ships
        atomic.write_bytes(folder / BOARD_FILE, board_path(board.name).read_bytes())
    if target.exists():
        target = target.with_name(f"{target.stem}-{card.results_digest[:8]}.json")
    file = place / scorecard.FILE if place.is_dir() else place
    atomic.write_bytes(rows_path(target), rows_path(place).read_bytes())
    atomic.write_bytes(target, file.read_bytes())
    return Submitted(target, tuple(_warnings(entry, target)))


def _check_digest(entry: Entry, board: Board) -> None:
    """The board as it is here must be the one that was run; one whose images must be seen to know is left to them."""
    from bfrbench.bench.stage import digest_of_board

    try:
        digest = digest_of_board(board)
    except BfrbenchError:
        return
    if digest != entry.card.results.board_digest:
        problem = f"{entry.ref} was run on another version of {board.name}, or with some of its metrics only"
        raise InputError(problem, f"run it again: bfrbench run {entry.ref} --board {board.name}")


def slug(entry: Entry) -> str:
    """A file name that says which restorer it is."""
    return re.sub(r"[^a-z0-9.]+", "-", entry.ref.lower()).strip("-.")[:80] or "restorer"


def _warnings(entry: Entry, target: Path) -> list[str]:
    results = entry.card.results
    found = []
    if results.status == "partial":
        found.append(f"the run is partial ({results.images} of {results.total} images): it is shown and never ranked")
    if not results.restorer.citation:
        found.append("the restorer states no citation")
    size = rows_path(target).stat().st_size
    if size > 5 << 20:
        found.append(f"its rows take {size / 2**20:.0f} MiB: commit them with Git LFS")
    return found
