"""Leaderboards: scorecards of one board to a table with rank intervals, in five formats; nothing is measured here."""

from bfrbench.leaderboard.building import Built, build
from bfrbench.leaderboard.entries import Entry, read_entries
from bfrbench.leaderboard.table import Leaderboard, Line, make_table

__all__ = ["build", "Built", "Entry", "read_entries", "Leaderboard", "Line", "make_table"]
