"""Processes that are really killed with -9 at random moments lose nothing but their open shard."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from tests.bench.noise import board_file

COUNT, SHARD, BATCH = 48, 6, 2


@pytest.fixture
def board(tmp_path: Path, faulty: Path) -> Path:
    """A board over a folder of small pictures, and the slow restorer of the faulty plugin installed."""
    return board_file(tmp_path, "killed", COUNT, layout=f"batch = {BATCH}, shard = {SHARD}")


def start(board: Path, out: Path, *flags: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "bfrbench", "run", "faulty-slow", "--board", str(board), "--out", str(out)]
    command += ["--metrics", "psnr", "--threads", "1", "--quiet", *flags]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def finish(board: Path, out: Path, processes: int = 1, *flags: str) -> str:
    """Run to the end with some processes, and give the digest of the results."""
    running = [start(board, out, *flags) for _ in range(processes)]
    for process in running:
        _, said = process.communicate(timeout=300)
        assert process.returncode == 0, said.decode()
    check_whole(out)
    return digest_of(out)


def digest_of(out: Path) -> str:
    digest: str = json.loads((out / "scorecard.json").read_text())["results_digest"]
    return digest


def check_whole(out: Path) -> None:
    """No shard is lost, doubled or half-written, and nothing temporary is left but what a kill left."""
    names = sorted(path.name for path in (out / "rows").glob("shard-*"))
    assert names == [f"shard-{number:05d}.parquet" for number in range(COUNT // SHARD)]


def kill_at_a_random_moment(processes: list[subprocess.Popen[bytes]], out: Path, seed: int) -> None:
    """Wait until work has begun, then a little longer, then end them all as the kernel would."""
    chance = random.Random(seed)
    landed = len(list((out / "rows").glob("shard-*"))) if (out / "rows").is_dir() else 0
    until = landed + chance.choice((0, 1, 1, 2))
    deadline = time.monotonic() + 120
    while len(list((out / "rows").glob("shard-*"))) < until or not (out / "manifest.json").exists():
        if all(process.poll() is not None for process in processes) or time.monotonic() > deadline:
            break
        time.sleep(0.005)
    time.sleep(chance.random() * 0.15)
    for process in processes:
        process.send_signal(signal.SIGKILL)
        process.communicate()


def survive(board: Path, out: Path, kills: int, processes: int, seed: int, *flags: str) -> set[str]:
    """Kill and start again, and again; then let it finish, and give the digests of all results."""
    done, digests = 0, set()
    for kill in range(kills):
        if (out / "scorecard.json").exists():
            digests.add(digest_of(out))
            out = out.with_name(f"{out.name}-again")
            done = 0
        kill_at_a_random_moment([start(board, out, *flags) for _ in range(processes)], out, seed * 1000 + kill)
        landed = len(list((out / "rows").glob("shard-*.parquet"))) if (out / "rows").is_dir() else 0
        assert landed >= done, "a landed shard was lost"
        done = landed
    return digests | {finish(board, out, processes, *flags)}


def test_six_kills_change_nothing(board: Path, tmp_path: Path) -> None:
    whole = finish(board, tmp_path / "whole", 1, "--in-process")
    assert survive(board, tmp_path / "one", 4, 1, 1, "--in-process") == {whole}
    assert survive(board, tmp_path / "two", 2, 2, 2, "--in-process") == {whole}


@pytest.mark.slow
def test_twenty_five_kills_change_nothing_and_leave_no_worker_behind(board: Path, tmp_path: Path) -> None:
    whole = finish(board, tmp_path / "whole")
    assert survive(board, tmp_path / "one", 13, 1, 3) == {whole}
    assert survive(board, tmp_path / "two", 12, 2, 4) == {whole}
    deadline = time.monotonic() + 10
    while workers := [one for one in psutil.process_iter(["cmdline"]) if _is_worker(one, tmp_path)]:
        assert time.monotonic() < deadline, workers
        time.sleep(0.2)


def _is_worker(process: psutil.Process, tmp_path: Path) -> bool:
    """Whether a process is a worker that one of this test's processes started."""
    try:
        ours = str(tmp_path) in process.environ().get("PYTHONPATH", "")
        return ours and "bfrbench.bench.worker" in (process.info["cmdline"] or [])
    except psutil.Error:
        return False


@pytest.mark.slow
def test_the_number_of_processes_does_not_show_in_the_results(board: Path, tmp_path: Path) -> None:
    digests = {finish(board, tmp_path / f"by-{count}", count) for count in (1, 2, 4)}
    assert len(digests) == 1
    out = tmp_path / "changing"
    for count in (4, 1):
        kill_at_a_random_moment([start(board, out) for _ in range(count)], out, seed=5)
    assert {finish(board, out, 2)} == digests


@pytest.mark.slow
def test_under_torchrun_the_results_are_the_same(board: Path, tmp_path: Path) -> None:
    whole = finish(board, tmp_path / "whole")
    out = tmp_path / "torchrun"
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "-m", "bfrbench"]
    command += ["run", "faulty-slow", "--board", str(board), "--out", str(out), "--metrics", "psnr", "--threads", "1"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert json.loads((out / "scorecard.json").read_text())["results_digest"] == whole
    assert done.stdout.count("faulty-slow on killed: complete") == 1, "one rank speaks"
