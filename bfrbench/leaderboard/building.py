"""From a board's folder to the five files that show it, or to what is stale among them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from bfrbench import atomic
from bfrbench.bench.board import FILE as BOARD_FILE
from bfrbench.bench.board import Board, load_board
from bfrbench.leaderboard import texts
from bfrbench.leaderboard.entries import read_entries
from bfrbench.leaderboard.table import Leaderboard, make_table
from bfrbench.metrics import load_protocol

TEMPLATE = Path(__file__).with_name("page.html.jinja")


@dataclass(frozen=True)
class Built:
    """A leaderboard, and its files by path with what they should hold."""

    table: Leaderboard
    files: dict[Path, str]

    @property
    def stale(self) -> list[Path]:
        """Files that do not hold what the scorecards say."""
        return [path for path, text in self.files.items() if not path.exists() or path.read_bytes() != text.encode()]

    def write(self) -> None:
        for path in self.stale:
            atomic.write_text(path, self.files[path])


def build(folder: Path) -> Built:
    """Work out the leaderboard of a folder that holds a board.toml and scorecards/."""
    board: Board = load_board(folder / BOARD_FILE)
    table = make_table(board, read_entries(folder, board), load_protocol(board.protocol))
    files = {
        "README.md": texts.markdown(table),
        "leaderboard.csv": texts.csv_text(table),
        "leaderboard.json": json.dumps(table.dump(), indent=2, ensure_ascii=False, allow_nan=False) + "\n",
        "leaderboard.tex": texts.latex(table),
        "leaderboard.html": html(table),
    }
    return Built(table, {folder / name: text for name, text in files.items()})


def html(table: Leaderboard) -> str:
    """One page that needs nothing else."""
    import jinja2

    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, keep_trailing_newline=True)
    page = environment.from_string(TEMPLATE.read_text(encoding="utf-8"))
    shown = {"rank": texts.rank, "plain": texts.plain_number, "short": texts.short, "cost": texts.cost}
    return page.render(board=table, cost_head=texts.COST_HEAD, **shown)
