"""Progress of long work: a bar on a terminal, plain lines elsewhere, nothing when the user asked for quiet."""

from __future__ import annotations

import os
import sys
import time
from collections import deque
from collections.abc import Iterable, Iterator, Sized
from types import TracebackType
from typing import TYPE_CHECKING, TextIO, TypeVar

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress
    from rich.progress import Task

T = TypeVar("T")
QUIET = "BFRBENCH_QUIET"
_SECONDS_BETWEEN_LINES = 10.0
_SECONDS_OF_RATE = 60.0
"""A rate is that of the last minute, or of the last quarter of longer work, in which others may have joined or left."""


def quiet() -> bool:
    return os.environ.get(QUIET, "") not in ("", "0")


class Progress:
    """Counts what is done of `total`, with a rate and the time left, on stderr; the unit "byte" is shown in MB.

    >>> with Progress("restoring", total=3, unit="image") as progress:
    ...     progress.advance(3)
    """

    def __init__(
        self, what: str, *, total: int | None, unit: str = "image", done: int = 0, stream: TextIO | None = None
    ) -> None:
        self.what, self.total, self.unit = what, total, unit
        self.done = self._before = done
        """What was done before this began is not part of its rate."""
        self._stream = stream or sys.stderr
        self._bar = None if quiet() else _bar(what, total, unit, done, self._stream)
        self._begin()

    def _begin(self) -> None:
        self._started = self._said = time.monotonic()
        self._seen = deque([(self._started, 0)])

    def __enter__(self) -> Progress:
        self._begin()
        if self._bar:
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar:
            self._bar.stop()
        elif kind is None and self.done and not quiet():
            self._say()

    def advance(self, count: int = 1) -> None:
        self.reach(self.done + count)

    def skip(self, count: int) -> None:
        """Pass over what was done before, which is nothing to speak of and not part of the rate."""
        self._before += count
        self._move(self.done + count)

    def reach(self, done: int) -> None:
        """Be at `done` of the total, whoever did it; what was lost on the way takes nothing from the rate."""
        self._before += min(0, done - self.done)
        self._move(done)
        now = time.monotonic()
        if not self._bar and not quiet() and now - self._said >= _SECONDS_BETWEEN_LINES:
            self._said = now
            self._say()

    def _move(self, done: int) -> None:
        self.done = done
        if self._bar:
            self._bar.update(self._bar.task_ids[0], completed=done, total=self.total, description=self.what)

    def _say(self) -> None:
        rate = self._rate()
        of = f"/{self._shown(self.total)}" if self.total is not None else ""
        going = self.total is not None and self.done < self.total and rate > 0
        left = f", {_clock(((self.total or 0) - self.done) / rate)} left" if going else ""
        units, speed = ("MB", f"{rate / 1e6:.1f} MB/s") if self.unit == "byte" else (f"{self.unit}s", f"{rate:.1f}/s")
        print(f"{self.what}: {self._shown(self.done)}{of} {units}, {speed}{left}", file=self._stream, flush=True)

    def _rate(self) -> float:
        now, done = time.monotonic(), self.done - self._before
        window = max(_SECONDS_OF_RATE, (now - self._started) / 4)
        while len(self._seen) > 1 and now - self._seen[1][0] >= window:
            self._seen.popleft()
        began, before = self._seen[0]
        self._seen.append((now, done))
        return (done - before) / max(now - began, 1e-9)

    def _shown(self, count: int) -> str:
        return f"{count / 1e6:.1f}" if self.unit == "byte" else str(count)


def track(items: Iterable[T], what: str, *, total: int | None = None, unit: str = "image") -> Iterator[T]:
    """Yield the items and show how far it is."""
    if total is None and isinstance(items, Sized):
        total = len(items)
    with Progress(what, total=total, unit=unit) as progress:
        for item in items:
            yield item
            progress.advance()


def _bar(what: str, total: int | None, unit: str, done: int, stream: TextIO) -> RichProgress | None:
    if not stream.isatty():
        return None
    from rich import progress as columns
    from rich.console import Console
    from rich.text import Text

    class Rate(columns.ProgressColumn):
        def render(self, task: Task) -> Text:
            return Text(f"{task.speed or 0:.1f} {unit}s/s")

    counted = (columns.MofNCompleteColumn(), Rate())
    bar = columns.Progress(
        columns.TextColumn("{task.description}"),
        columns.BarColumn(),
        *((columns.DownloadColumn(), columns.TransferSpeedColumn()) if unit == "byte" else counted),
        columns.TimeRemainingColumn(),
        console=Console(file=stream),
    )
    bar.add_task(what, total=total, completed=done)
    return bar


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
