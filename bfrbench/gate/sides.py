"""The two sides of a comparison: a scorecard with the rows that it was made from, and the board with its rules."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bfrbench import config
from bfrbench.bench import manifest, scorecard, sealed
from bfrbench.bench.board import Board, load_board, shipped_boards
from bfrbench.bench.checking import read_rows, rows_path
from bfrbench.bench.scorecard import Scorecard
from bfrbench.errors import InputError, UsageError

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class Side:
    """A scorecard and its rows."""

    card: Scorecard
    rows: pa.Table


def open_side(path: Path) -> Side:
    """Read a scorecard and the rows beside it; what was altered or is missing is one sentence."""
    card = scorecard.read(path)
    rows = rows_path(path)
    if not rows.exists():
        raise InputError(f"the rows {rows} of {path} are missing", "keep them beside the scorecard, or run again")
    try:
        return Side(card, read_rows(path))
    except sealed.Damaged as error:
        raise InputError(f"{rows} is damaged: {error}", "run that board again") from error


def board_of(path: Path, card: Scorecard, rules: Path | None = None) -> Board:
    """The board whose rules apply: the one given, else what the run wrote down, else the shipped one of its name."""
    if rules is not None:
        return load_board(rules)
    folder = path if path.is_dir() else path.parent
    written = folder / manifest.FILE
    if written.is_file():
        try:
            data = json.loads(written.read_text(encoding="utf-8"))["choices"]["board"]
        except (ValueError, KeyError, TypeError) as error:
            raise InputError(f"{written} is no manifest ({error})", "give the rules with --rules board.toml") from error
        return config.parse(data, Board, where=str(written))
    if card.results.board in shipped_boards():
        return load_board(card.results.board)
    raise UsageError(f"there is no board {card.results.board!r} here", "give its file with --rules board.toml")
