"""Reading many images in worker processes, with a bound on memory and a clear account of what could not be read."""

from __future__ import annotations

import multiprocessing
import os
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import TYPE_CHECKING

from bfrbench.errors import InputError
from bfrbench.imaging.picture import size_of
from bfrbench.imaging.read import read_bytes, read_image

if TYPE_CHECKING:
    from bfrbench.contracts import U8Image

_COPIES = 6
"""Decoded sizes that one image takes at its worst: file, decoder, conversion, and its way between processes."""


class ImageReader:
    """Gives (path, image) in the order of `paths`.

    At most `memory_mb` of decoded images are under way at once, whatever the number of workers; an image that
    alone is larger cannot be read. The first file that cannot be used ends the reading, unless
    `skip_unreadable`: then it is left out and its error kept in `skipped`, for the caller to count and report.
    """

    def __init__(
        self,
        paths: Sequence[Path],
        *,
        workers: int | None = None,
        memory_mb: int = 1024,
        skip_unreadable: bool = False,
    ) -> None:
        self.paths = list(paths)
        self.workers = min(workers or os.cpu_count() or 1, max(1, len(self.paths)))
        self.memory = memory_mb * 2**20
        self.skip_unreadable = skip_unreadable
        self.skipped: list[InputError] = []

    def __len__(self) -> int:
        return len(self.paths)

    def __iter__(self) -> Iterator[tuple[Path, U8Image]]:
        self.skipped = []
        with _Pool(self.workers) as pool:
            pending: deque[tuple[Path, int, Future[U8Image] | InputError]] = deque()
            waiting = deque(self.paths)
            while waiting or pending:
                under_way = sum(need for _, need, _ in pending)
                while waiting and len(pending) < 2 * self.workers:
                    path = waiting[0]
                    need, started = self._weigh(path)
                    if pending and under_way + need > self.memory:
                        break
                    waiting.popleft()
                    under_way += need
                    pending.append((path, need, started or pool.submit(path)))
                path, _, outcome = pending.popleft()
                try:
                    if isinstance(outcome, InputError):
                        raise outcome
                    yield path, pool.result(path, outcome)
                except InputError as error:
                    if not self.skip_unreadable:
                        raise
                    self.skipped.append(error)

    def _weigh(self, path: Path) -> tuple[int, InputError | None]:
        """What reading a file may take, by its header."""
        try:
            width, height = size_of(read_bytes(path), str(path))
        except InputError as error:
            return 0, error
        need = width * height * 3 * _COPIES
        if need > self.memory:
            problem = f"{path} of {width}×{height} needs {need / 2**20:.0f} MB to be read"
            return 0, InputError(problem, f"allow more memory than {self.memory // 2**20} MB or make it smaller")
        return need, None


class _Pool:
    """Worker processes that survive a decoder's crash: the file that caused it is found and named."""

    def __init__(self, workers: int) -> None:
        self.workers = workers
        self._pool: ProcessPoolExecutor | None = None

    def __enter__(self) -> _Pool:
        return self

    def __exit__(self, *_: object) -> None:
        self._close()

    def submit(self, path: Path) -> Future[U8Image]:
        if self._pool is None:
            # A fork would copy the locks of the parent's threads as they happen to stand.
            self._pool = ProcessPoolExecutor(self.workers, mp_context=multiprocessing.get_context("spawn"))
        try:
            return self._pool.submit(read_image, path)
        except BrokenProcessPool as error:
            broken: Future[U8Image] = Future()
            broken.set_exception(error)
            return broken

    def result(self, path: Path, future: Future[U8Image]) -> U8Image:
        try:
            return future.result()
        except BrokenProcessPool:
            self._close()
            return self._alone(path)

    def _alone(self, path: Path) -> U8Image:
        """Read in a process of its own, so that a second crash says which file it was."""
        with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as single:
            try:
                return single.submit(read_image, path).result()
            except BrokenProcessPool as error:
                problem = f"{path} makes the image decoder crash or run out of memory"
                raise InputError(problem, "replace the file or leave it out") from error

    def _close(self) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)
            self._pool = None
