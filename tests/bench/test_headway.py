"""Progress and time left are those of the whole run, whoever works on it: real processes over one folder."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.bench.noise import board_file

BATCH, SHARD, SECONDS = 2, 10, 0.4
EACH = 50
"""Images for each process."""
SPEED = BATCH / SECONDS
"""Images a second of one process at most."""

PROGRAM = """
import functools, sys
from bfrbench import progress
from bfrbench.bench import claims, run
progress._SECONDS_BETWEEN_LINES = 0.3
run.Claims = functools.partial(claims.Claims, beat=0.3)
from bfrbench.cli import main
sys.exit(main())
"""
LINE = re.compile(r"faulty-slow on shared: (\d+)/(\d+) images, ([\d.]+)/s(?:, (\d+):(\d+) left)?")


@dataclass(frozen=True)
class Said:
    """One line of progress, and when it was said."""

    at: float
    done: int
    total: int
    speed: float
    left: float | None


def make_board(folder: Path, count: int) -> Path:
    return board_file(folder, "shared", count, layout=f"batch = {BATCH}, shard = {SHARD}")


def start(board: Path, out: Path, rank: int = 0, count: int = 1) -> subprocess.Popen[str]:
    words = ["run", "faulty-slow", "--board", str(board), "--out", str(out), "--metrics", "psnr"]
    environment = {"RANK": str(rank), "WORLD_SIZE": str(count), "LOCAL_RANK": str(rank), "FAULTY_SECONDS": str(SECONDS)}
    command = [sys.executable, "-c", PROGRAM, *words, "--threads", "1", "--in-process"]
    return subprocess.Popen(command, env=os.environ | environment, stderr=subprocess.PIPE, text=True)


def heard(process: subprocess.Popen[str]) -> list[Said]:
    """Every line of progress, as it comes, until the process ends."""
    assert process.stderr is not None
    said, rest = [], []
    for line in process.stderr:
        rest.append(line)
        if found := LINE.match(line):
            done, total, speed, minutes, seconds = found.groups()
            left = None if minutes is None else 60.0 * int(minutes) + int(seconds)
            said.append(Said(time.monotonic(), int(done), int(total), float(speed), left))
    assert process.wait() in (0, 130), "".join(rest)
    return said


def until(holds: str, out: Path, count: int) -> None:
    """Wait until so many files are there."""
    deadline = time.monotonic() + 120
    while len(list(out.glob(holds))) < count:
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.parametrize("processes", [1, 2, pytest.param(4, marks=pytest.mark.slow)])
def test_time_left_is_right_for_any_number_of_processes(processes: int, tmp_path: Path, faulty: Path) -> None:
    board, out = make_board(tmp_path, EACH * processes), tmp_path / "run"
    first, *others = [start(board, out, rank, processes) for rank in range(processes)]
    said = heard(first)
    for other in others:
        assert heard(other) == [], "one rank speaks"
    end = said[-1]
    assert (end.done, end.total) == (EACH * processes, EACH * processes)
    assert [one.done for one in said] == sorted(one.done for one in said)
    late = min(said, key=lambda one: abs(one.done - 0.7 * one.total))
    assert late.left == pytest.approx(end.at - late.at, rel=0.5, abs=1.5)
    assert end.speed < 1.2 * SPEED * processes


def test_a_resumed_run_counts_what_was_done_and_not_as_its_own_speed(tmp_path: Path, faulty: Path) -> None:
    board, out = make_board(tmp_path, EACH), tmp_path / "run"
    first = start(board, out)
    until("rows/shard-*.parquet", out, 2)
    time.sleep(2 * SECONDS)
    first.send_signal(signal.SIGINT)
    before = heard(first)
    kept = before[-1].done
    said = heard(start(board, out))
    assert 2 * SHARD <= kept <= said[0].done < EACH, "the batches of the open shard are kept and counted"
    assert all(one.speed < 1.2 * SPEED for one in said)
    assert (said[-1].done, said[-1].total) == (EACH, EACH)


def test_what_a_killed_process_had_in_hand_is_not_counted(tmp_path: Path, faulty: Path) -> None:
    board, out = make_board(tmp_path, EACH), tmp_path / "run"
    first = start(board, out)
    until("rows/shard-*.parquet", out, 1)
    time.sleep(2 * SECONDS)
    first.kill()
    first.communicate()
    landed = SHARD * len(list((out / "rows").glob("shard-*.parquet")))
    said = heard(start(board, out))
    assert landed <= said[0].done <= landed + 2 * BATCH
    assert said[-1].done == EACH
