"""`bfrbench run` as a user meets it: its exit codes, its sentences, a full disk, Ctrl-C."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bfrbench.cli import main
from tests.bench.noise import Noise, board_file


@pytest.fixture
def board(tmp_path: Path) -> Path:
    return board_file(tmp_path, "small", 24, layout="batch = 2, shard = 6")


def words(board: Path, out: Path, *more: str) -> list[str]:
    return ["run", "bicubic", "--board", str(board), "--out", str(out), "--metrics", "psnr", *more]


def test_a_dry_run_says_what_it_would_do_and_does_nothing(
    board: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words(board, tmp_path / "run", "--dry-run", "--limit", "5", "--json")) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["images"] == "5 of 24" and said["metrics"] == "psnr"
    assert not (tmp_path / "run").exists()


def test_a_run_prints_its_scorecard(board: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words(board, tmp_path / "run", "--json")) == 0
    card = json.loads(capsys.readouterr().out)
    assert card == json.loads((tmp_path / "run" / "scorecard.json").read_text())
    assert card["results"]["images"] == 24


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        (("--limit", "0"), "limit is 0"),
        (("--precision", "float8"), "float8"),
        (("--metrics", "psnrr"), "psnr"),
        (("--device", "cuda"), "no GPU"),
        (("--device", "gpu"), "no device 'gpu'"),
        (("--device", "meta"), "cannot compute on 'meta'"),
        (("--option", "factor"), "name=value"),
    ],
)
def test_a_wrong_option_is_one_sentence(
    more: tuple[str, ...], sentence: str, board: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import torch

    if "cuda" in more and torch.cuda.is_available():
        pytest.skip("there is a GPU here")
    assert main(words(board, tmp_path / "run", *more)) == 2
    said = capsys.readouterr().err
    assert sentence in said and "Traceback" not in said
    assert not (tmp_path / "run").exists()


def test_an_input_that_cannot_be_read_stops_the_run_by_name(
    board: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "faces" / "noise-000020.png").write_bytes(b"not a picture")
    assert main(words(board, tmp_path / "run")) == 2
    said = capsys.readouterr().err
    assert "noise-000020" in said and "Traceback" not in said
    Image.fromarray(np.asarray(Noise(24, 32)["noise-000020"].gt)).save(tmp_path / "faces" / "noise-000020.png")
    assert main(words(board, tmp_path / "run")) == 0


def test_a_failed_run_exits_with_4_and_says_why(
    board: Path, tmp_path: Path, faulty: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = words(board, tmp_path / "run", "--in-process")
    command[1] = "faulty-nan"
    assert main(command) == 4
    said = capsys.readouterr()
    assert "3 of 24 images failed (3 nan)" in said.err and "failed, 24 of 24" in said.out


def test_a_full_disk_is_one_sentence_and_the_run_goes_on_later(board: Path, tmp_path: Path) -> None:
    """The limit on file size makes the system refuse to write, as a full disk does."""

    def shrink() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))

    command = [sys.executable, "-m", "bfrbench", *words(board, tmp_path / "run", "--quiet")]
    done = subprocess.run(command, preexec_fn=shrink, capture_output=True, text=True)
    assert done.returncode == 2, done.stderr
    assert "cannot write to" in done.stderr and "Traceback" not in done.stderr
    left = [path for path in (tmp_path / "run").rglob("*") if ".part" in path.name]
    assert left == []
    assert main(words(board, tmp_path / "run")) == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount a small disk")
def test_a_disk_that_really_fills_up_is_one_sentence(board: Path, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=20k", "tmpfs", str(disk)], capture_output=True)
    if mounted.returncode:
        pytest.skip("this machine does not let a disk be mounted")
    try:
        command = [sys.executable, "-m", "bfrbench", *words(board, disk / "run", "--quiet")]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 2, done.stderr
        assert "No space left" in done.stderr and "free some space" in done.stderr
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_ctrl_c_exits_with_130_and_says_how_to_go_on(board: Path, tmp_path: Path, faulty: Path) -> None:
    command = [sys.executable, "-m", "bfrbench", *words(board, tmp_path / "run", "--threads", "1")]
    command[command.index("bicubic")] = "faulty-slow"
    environment = {**os.environ, "FAULTY_SECONDS": "0.3"}
    process = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True, start_new_session=True)
    deadline = time.monotonic() + 120
    while not list((tmp_path / "run" / "rows").glob("*.parquet")):
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: every process of the group
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130, said
    assert "finishing the batch" in said and "run the same command again" in said and "Traceback" not in said
    assert not (tmp_path / "run" / "scorecard.json").exists()
    again = [word for word in command if word not in (sys.executable, "-m", "bfrbench")]
    assert main(again) == 0
