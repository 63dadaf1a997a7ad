"""Stages that run at the same time: each in a thread of its own, a bounded number of items ahead of the next."""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")
_END = object()
_POLL_SECONDS = 0.1


class _Failure:
    def __init__(self, error: BaseException) -> None:
        self.error = error


def ahead(items: Iterator[T], depth: int) -> Generator[T, None, None]:
    """Run `items` in a thread, at most `depth` items ahead; its error is raised here, and closing this stops it."""
    if depth < 1:
        yield from items
        return
    box: queue.Queue[object] = queue.Queue(depth)
    stopped = threading.Event()

    def put(thing: object) -> bool:
        while not stopped.is_set():
            try:
                box.put(thing, timeout=_POLL_SECONDS)
                return True
            except queue.Full:
                continue
        return False

    def work() -> None:
        try:
            for item in items:
                if not put(item):
                    break
            put(_END)
        except BaseException as error:
            put(_Failure(error))
        finally:
            if isinstance(items, Generator):
                items.close()

    thread = threading.Thread(target=work, name="bfrbench-stage", daemon=True)
    thread.start()
    try:
        while (thing := box.get()) is not _END:
            if isinstance(thing, _Failure):
                raise thing.error
            yield thing  # type: ignore[misc]
    finally:
        stopped.set()
        thread.join()


def ordered_map(
    function: Callable[[T], R], items: Iterable[T], *, threads: int, depth: int
) -> Generator[R, None, None]:
    """`map` by a pool of threads that works at most `depth` items ahead; results come in order."""
    if threads < 1:
        yield from map(function, items)
        return
    with ThreadPoolExecutor(threads, thread_name_prefix="bfrbench-read") as pool:
        waiting: deque[Future[R]] = deque()
        try:
            for item in items:
                waiting.append(pool.submit(function, item))
                if len(waiting) >= depth:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()
