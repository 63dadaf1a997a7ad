"""Stages that run ahead: in order, bounded, and their errors arrive."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from bfrbench.bench.overlap import ahead, ordered_map


@pytest.mark.parametrize("depth", [0, 1, 3])
def test_items_come_in_order(depth: int) -> None:
    assert list(ahead(iter(range(50)), depth)) == list(range(50))
    assert list(ordered_map(lambda n: n * n, range(50), threads=depth, depth=depth + 1)) == [n * n for n in range(50)]


def test_no_more_than_the_depth_is_made_ahead() -> None:
    made = 0

    def items() -> Iterator[int]:
        nonlocal made
        for number in range(100):
            made += 1
            yield number

    stage = ahead(items(), 2)
    assert next(stage) == 0
    time.sleep(0.3)
    assert made <= 5
    stage.close()


def test_an_error_of_a_stage_is_raised_where_its_items_are_used() -> None:
    def items() -> Iterator[int]:
        yield 1
        raise ValueError("broken")

    stage = ahead(items(), 2)
    assert next(stage) == 1
    with pytest.raises(ValueError, match="broken"):
        next(stage)


def test_closing_stops_the_thread_and_what_feeds_it() -> None:
    closed = threading.Event()

    def items() -> Iterator[int]:
        try:
            while True:
                yield 1
        finally:
            closed.set()

    stage = ahead(ahead(items(), 1), 1)
    next(stage)
    stage.close()
    assert closed.wait(2)
    deadline = time.monotonic() + 5
    while any(thread.name == "bfrbench-stage" for thread in threading.enumerate()):
        assert time.monotonic() < deadline
        time.sleep(0.02)
