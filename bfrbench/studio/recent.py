"""The pictures rendered last, kept in memory: several restorers on one board see the same faces."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable

from bfrbench.studio.rendering import Shot

LIMIT = 128 << 20


class Recent:
    """At most `limit` bytes of pictures; the one that was not asked for the longest goes first."""

    def __init__(self, limit: int = LIMIT) -> None:
        self.limit, self._bytes = limit, 0
        self._shots: OrderedDict[Hashable, Shot] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: Hashable, make: Callable[[], Shot]) -> Shot:
        """The picture of that key. Its arrays are for reading only."""
        with self._lock:
            if (kept := self._shots.get(key)) is not None:
                self._shots.move_to_end(key)
                return kept
        shot = make()
        for array in (shot.image, shot.parsing, shot.points, shot.landmarks):
            array.setflags(write=False)
        with self._lock:
            if key not in self._shots:
                self._shots[key] = shot
                self._bytes += _size(shot)
            while self._bytes > self.limit:
                _, gone = self._shots.popitem(last=False)
                self._bytes -= _size(gone)
        return shot


def _size(shot: Shot) -> int:
    return shot.image.nbytes + shot.parsing.nbytes
