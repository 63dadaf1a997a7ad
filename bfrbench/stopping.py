"""Ctrl-C, and a scheduler's SIGTERM: the first finishes the batch or step in hand, the second stops at once."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Any

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Stopping:
    """While it lasts, `asked` is set by the first signal. In a thread that may not set handlers it does nothing."""

    def __init__(self, in_hand: str = "batch") -> None:
        self.in_hand = in_hand
        self.asked = threading.Event()
        self._at_once = False
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Stopping:
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._ask) for number in _SIGNALS}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    @contextmanager
    def at_once(self) -> Iterator[None]:
        """While it lasts, the first signal stops at once too: nothing is in hand that would be lost."""
        self._at_once = True
        try:
            if self.asked.is_set():
                raise KeyboardInterrupt
            yield
        finally:
            self._at_once = False

    def _ask(self, number: int, frame: FrameType | None) -> None:
        if self.asked.is_set() or self._at_once:
            self.asked.set()
            raise KeyboardInterrupt
        self.asked.set()
        print(f"finishing the {self.in_hand} in hand; once more to stop at once", file=sys.stderr, flush=True)
