"""The committed baseline: a scorecard and its rows under a name of their own, replaced whole."""

from __future__ import annotations

from pathlib import Path

from bfrbench import atomic
from bfrbench.bench import scorecard
from bfrbench.bench.checking import rows_path, scorecard_problems
from bfrbench.bench.scorecard import Scorecard
from bfrbench.errors import InputError


def update(candidate: Path, baseline: Path) -> Scorecard:
    """Put a sound, complete scorecard and its rows in the baseline's place."""
    card, problems = scorecard_problems(candidate)
    if problems:
        raise InputError(f"{candidate} is not sound: {'; '.join(problems)}", "run that board again")
    if card.results.status != "complete":
        raise InputError(f"{candidate} is {card.results.status}", "take a run over the whole board as a baseline")
    target = baseline / scorecard.FILE if baseline.is_dir() else baseline
    if target.suffix != ".json":
        raise InputError(f"{target} is no place for a scorecard", "give a .json file or the folder of a run")
    file = candidate / scorecard.FILE if candidate.is_dir() else candidate
    rows = rows_path(candidate).read_bytes()
    text = file.read_bytes()
    atomic.write_bytes(rows_path(target), rows)
    atomic.write_bytes(target, text)
    return card
