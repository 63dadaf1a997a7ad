"""A conclusion says how far it is, ends within a second of Ctrl-C, and goes on with the next metric after any death."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bfrbench.bench import concluding
from bfrbench.bench.plan import make_plan
from bfrbench.bench.run import execute
from bfrbench.bench.settings import Settings
from bfrbench.bench.summary import Numbers
from tests.bench.judges import protocol_file
from tests.bench.noise import board_file, noise_stage

COUNT, SECONDS = 12, 0.04
STEPS = 102
"""Of one distance: its number, and its interval."""
PROGRAM = """
import sys
from bfrbench import progress
progress._SECONDS_BETWEEN_LINES = 0.2
from bfrbench.cli import main
sys.exit(main())
"""
LINE = re.compile(r"conclusion of input on concluded, (\S+): (\d+)/(\d+) steps, [\d.]+/s")


@pytest.fixture
def board(tmp_path: Path, faulty: Path) -> Path:
    """A board whose numbers are three: a mean, and two slow distances."""
    slow = {"seconds": SECONDS}
    protocol = protocol_file(tmp_path, first=slow, second=slow | {"holds": 999})
    return board_file(tmp_path, "concluded", COUNT, protocol=protocol)


def start(board: Path, out: Path) -> subprocess.Popen[str]:
    words = ["run", "input", "--board", str(board), "--out", str(out), "--threads", "1"]
    command = [sys.executable, "-c", PROGRAM, *words]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


def finish(board: Path, out: Path) -> tuple[str, list[tuple[str, int]]]:
    """Run to the end; gives the digest of the results, and what was said of the conclusion."""
    process = start(board, out)
    _, said = process.communicate(timeout=300)
    assert process.returncode == 0, said
    assert not (out / "conclusion").exists()
    digest = json.loads((out / "scorecard.json").read_text())["results_digest"]
    return digest, [(name, int(done)) for name, done, _ in LINE.findall(said)]


def until_two_metrics_are_kept(process: subprocess.Popen[str], out: Path) -> None:
    deadline = time.monotonic() + 120
    while concluding.kept(out) < 2:
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.01)
    time.sleep(10 * SECONDS)


def test_an_interrupted_conclusion_ends_at_once_and_goes_on_with_the_next_metric(board: Path, tmp_path: Path) -> None:
    whole, said = finish(board, tmp_path / "whole")
    assert {name for name, _ in said} >= {"first", "second"}, "which metric, and how far"
    assert [done for _, done in said] == sorted(done for _, done in said)
    out = tmp_path / "run"
    process = start(board, out)
    until_two_metrics_are_kept(process, out)
    began = time.monotonic()
    process.send_signal(signal.SIGINT)
    assert process.stderr is not None
    stopped = next(line for line in process.stderr if "stopped while concluding" in line)
    assert time.monotonic() - began < 2.0
    assert "the numbers of 2 metrics are kept" in stopped
    words = process.stderr.read()  # the rest of what the line before was taken from, which communicate would lose
    assert process.wait(timeout=60) == 130, words
    assert "run the same command again to go on" in words and "Traceback" not in words
    assert not (out / "scorecard.json").exists()
    again, said = finish(board, out)
    assert again == whole
    assert {name for name, _ in said} == {"second"}
    assert all(done > 1 + STEPS for _, done in said), "the first distance is not made again"


def test_a_killed_conclusion_goes_on_with_the_next_metric(board: Path, tmp_path: Path) -> None:
    whole, _ = finish(board, tmp_path / "whole")
    out = tmp_path / "run"
    process = start(board, out)
    until_two_metrics_are_kept(process, out)
    process.kill()
    process.communicate()
    assert not (out / "scorecard.json").exists() and concluding.kept(out) == 2
    again, said = finish(board, out)
    assert (again, {name for name, _ in said}) == (whole, {"second"})


def test_numbers_that_were_kept_by_other_code_are_made_anew(
    tmp_path: Path, faulty: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = noting(monkeypatch)
    protocol = str(protocol_file(tmp_path, judge={}))

    def run() -> str:
        plan = make_plan("input", noise_stage(COUNT, protocol=protocol), Settings(out=tmp_path / "run", threads=1))
        (plan.folder / "scorecard.json").unlink(missing_ok=True)
        return execute(plan).results_digest

    first = run()
    assert run() == first and len(made) == 2
    source = faulty / "bfrbench_faulty.py"
    source.write_text(source.read_text() + "# edited\n")
    assert run() == first and len(set(made)) == 4, "nobody knows what an edit of a metric's source changes"
    version = faulty / "bfrbench_faulty-1.0.dist-info" / "METADATA"
    version.write_text(version.read_text().replace("1.0", "1.1"))
    assert run() == first and len(set(made)) == 6
    assert concluding.kept(tmp_path / "run") == 2, "those of older code are gone"


def test_what_a_kill_left_beside_a_scorecard_goes_with_the_next_command(tmp_path: Path) -> None:
    plan = make_plan("input", noise_stage(COUNT, metrics=("psnr",)), Settings(out=tmp_path / "run", threads=1))
    whole = execute(plan).results_digest
    (plan.folder / "conclusion").mkdir()
    (plan.folder / "conclusion" / "kept.json").touch()
    assert execute(plan).results_digest == whole
    assert not (plan.folder / "conclusion").exists()


def noting(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of kept numbers as they are written, which then stay."""
    made: list[str] = []
    keep = concluding._write

    def write(path: Path, numbers: Numbers) -> None:
        made.append(path.name)
        keep(path, numbers)

    monkeypatch.setattr(concluding, "_write", write)
    monkeypatch.setattr(concluding, "forget", lambda run: None)
    return made


def test_numbers_are_believed_only_as_they_were_written_and_for_the_same_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = noting(monkeypatch)

    def run(restorer: str) -> str:
        stage = noise_stage(COUNT, metrics=("psnr", "probe-level"))
        plan = make_plan(restorer, stage, Settings(out=tmp_path / restorer, threads=1))
        (plan.folder / "scorecard.json").unlink(missing_ok=True)
        return execute(plan).results_digest

    first = run("input")
    assert len(set(made)) == 2
    assert run("input") == first and len(made) == 2, "kept numbers are taken"
    hurt = tmp_path / "input" / "conclusion" / made[0]
    hurt.write_text(hurt.read_text().replace('"n": 12', '"n": 13'))
    assert run("input") == first and made[2:] == [made[0]], "altered ones are made again"
    (hurt.parent / made[1]).replace(hurt.parent / "other.json")
    assert run("input") == first and made[3:] == [made[1]]
    run("bicubic")
    assert not {*made[:4]} & {*made[4:]}, "other rows, other files"
