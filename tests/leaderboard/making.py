"""A board's folder with scorecards made from plain numbers."""

from __future__ import annotations

from pathlib import Path

from bfrbench.bench import scorecard, sealed
from bfrbench.gate import Side
from tests.gate.making import board_with, noisy, restorer, side

COUNT = 60
BOARD = """name = "numbers"
title = "Numbers"
summary = "For tests."
dataset = "numbers"
size = 64
degradation = "given"
protocol = "basic-v1"
max_failures = 0.0
notes = ["A note of the board."]

[[breakdown]]
by = "yaw"
edges = [0.0]

[ranking]
metric = "psnr"
"""


def made(
    name: str, shift: float = 0.0, seed: int = 1, facts: dict[str, object] | None = None, **changes: object
) -> Side:
    board = board_with()
    psnr = noisy(seed, COUNT) + shift
    values = {"psnr": list(psnr), "probe-level": list((psnr - 25) / 10)}
    return side(board, values, restorer=restorer(name, **(facts or {})), **changes)


def folder_with(root: Path, *sides: Side) -> Path:
    folder = root / "numbers"
    (folder / "scorecards").mkdir(parents=True)
    (folder / "board.toml").write_text(BOARD)
    for one in sides:
        place(folder / "scorecards" / f"{one.card.results.restorer.ref}.json", one)
    return folder


def place(path: Path, one: Side) -> Path:
    sealed.write(path.with_suffix(".parquet"), [one.rows], one.rows.schema)
    scorecard.write(path, one.card)
    return path
