"""What a conclusion shows while it lasts, and keeps until the scorecard is there: the numbers of finished metrics.

Each lies in a file of its own, named by the digests of all that it follows from. So a conclusion that was interrupted
or killed goes on with the next metric, and numbers of other rows, choices or code are never found.
"""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from bfrbench import atomic, digests
from bfrbench.bench.intervals import FEWEST_FOR_DISTANCE, LEVEL, RESAMPLES, SUBSETS, steps_of
from bfrbench.bench.journal import writing
from bfrbench.bench.summary import Numbers, Watch
from bfrbench.digests import Digest
from bfrbench.metrics import ProtocolMetric
from bfrbench.progress import Progress

FOLDER = "conclusion"
_FORM = 2
"""Raised when the same rows would come to other numbers."""
_DIGITS = 32
"""Of each digest in a name: some file systems take no more than 143 characters."""


class Concluding(Watch):
    """Watches one conclusion. `follows_from` is plain data: the rows, the breakdowns, the code."""

    def __init__(self, run: Path, follows_from: Mapping[str, Any], shown: Progress) -> None:
        self.folder, self.shown = run / FOLDER, shown
        how = [LEVEL, RESAMPLES, SUBSETS, FEWEST_FOR_DISTANCE]
        self._key = digests.of_data({**follows_from, "form": _FORM, "how": how})[:_DIGITS]
        self._what = shown.what
        self._ends: dict[str, int] = {}

    def begin(self, metrics: Sequence[ProtocolMetric], bins: int) -> None:
        self._forget_others()
        end = 0
        for metric in metrics:
            end += steps_of(metric) + bins
            self._ends[metric.name] = end
        self.shown.total = end

    def step(self) -> None:
        self.shown.advance()

    def numbers(self, metric: ProtocolMetric, reference: Digest | None, make: Callable[[], Numbers]) -> Numbers:
        self.shown.what = f"{self._what}, {metric.name}"
        one = {"name": metric.name, "rows": metric.rows, "digest": metric.digest, "reference": reference}
        path = self.folder / f"{self._key}-{digests.of_data(one)[:_DIGITS]}.json"
        if found := _read(path):
            self.shown.skip(self._ends[metric.name] - self.shown.done)
            return found
        made = make()
        with writing(self.folder):
            _write(path, made)
        self.shown.reach(self._ends[metric.name])
        return made

    def _forget_others(self) -> None:
        """What rests on other rows or code is of no more use, and would be counted."""
        for path in self.folder.glob("[!.]*.json"):
            if not path.name.startswith(f"{self._key}-"):
                with contextlib.suppress(OSError):
                    path.unlink()


def kept(run: Path) -> int:
    """Of how many metrics the numbers are kept."""
    return len(list((run / FOLDER).glob("[!.]*.json")))


def forget(run: Path) -> None:
    """Once the scorecard is there."""
    shutil.rmtree(run / FOLDER, ignore_errors=True)


def _write(path: Path, numbers: Numbers) -> None:
    data = numbers.model_dump(mode="json")
    atomic.write_json(path, {"digest": digests.of_data(data), "numbers": data})


def _read(path: Path) -> Numbers | None:
    """The numbers, if they are there and as they were written."""
    try:
        found = json.loads(path.read_bytes())
        sound = digests.of_data(found["numbers"]) == found["digest"]
        return Numbers.model_validate(found["numbers"]) if sound else None
    except (OSError, ValueError, KeyError, TypeError):
        return None
