"""The command line: light help, exit codes, one sentence per error, a report for a crash."""

from __future__ import annotations

import io
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import bfrbench
from bfrbench import progress
from bfrbench.cli import COMMANDS

PROGRAM = [sys.executable, "-m", "bfrbench"]


def run(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*PROGRAM, *words], env={**os.environ, **environment}, capture_output=True, text=True)


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """An installed plugin whose commands crash, wait, and take a name of ours."""
    (tmp_path / "unruly.py").write_text(
        "import time, bfrbench, cyclopts\n"
        "def crash(): raise ZeroDivisionError('division by zero in unruly')\n"
        "def wait():\n    print('waiting', flush=True)\n    time.sleep(60)\n"
        "@bfrbench.hookimpl\n"
        "def bfrbench_commands():\n"
        "    apps = []\n"
        "    for name, function in (('crash', crash), ('wait', wait), ('demo', crash)):\n"
        "        app = cyclopts.App(name=name)\n        app.default(function)\n        apps.append(app)\n"
        "    return apps\n"
    )
    info = tmp_path / "unruly-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: unruly\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[bfrbench]\nunruly = unruly\n")
    return tmp_path


def test_help_imports_neither_torch_nor_pydantic_nor_plugins() -> None:
    program = (
        "import sys\nfrom bfrbench.cli import main\nmain(['--help'])\n"
        "heavy = {'torch', 'pydantic', 'numpy', 'pandas', 'cv2', 'PIL', 'bfrbench.plugins'} & set(sys.modules)\n"
        "sys.exit(', '.join(heavy) or 0)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, f"--help imports {done.stderr}"


def test_help_lists_every_command() -> None:
    done = run("--help")
    assert done.returncode == 0
    for name in COMMANDS:
        assert re.search(rf"\b{name}\b", done.stdout), name


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_command_has_help_and_imports_no_torch_for_it(name: str) -> None:
    program = (
        f"import sys\nfrom bfrbench.cli import main\nmain([{name!r}, '--help'])\nsys.exit('torch' in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "Usage: bfrbench" in done.stdout


def test_the_version_is_the_packages() -> None:
    assert run("--version").stdout.strip() == bfrbench.__version__


@pytest.mark.parametrize("words", [("plugins", "chek"), ("plugins", "check"), ("nope",), ("plugins", "list", "--jsn")])
def test_a_wrong_command_line_is_exit_2_and_one_line(words: tuple[str, ...]) -> None:
    done = run(*words)
    assert done.returncode == 2
    assert done.stderr.startswith("bfrbench: ") and done.stderr.count("\n") == 1, done.stderr
    assert done.stdout == ""


def test_an_error_is_one_line_on_stderr_unless_verbose_asks_for_more() -> None:
    done = run("plugins", "check", "bicubbic")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "bfrbench: there is no restorer named 'bicubbic'; did you mean bicubic?\n"
    assert "Traceback" in run("plugins", "check", "bicubbic", "--verbose").stderr


def test_a_crash_is_exit_70_with_a_report_that_can_be_sent(site: Path, tmp_path: Path) -> None:
    done = run("crash", PYTHONPATH=str(site), TMPDIR=str(tmp_path))
    assert done.returncode == 70
    report = Path(done.stderr.strip().split()[-1])
    text = report.read_text()
    assert "division by zero in unruly" in text and "bfrbench 0" in text and "Traceback" in text
    assert "Traceback" not in done.stderr


def test_ctrl_c_is_exit_130(site: Path) -> None:
    process = subprocess.Popen(
        [*PROGRAM, "wait"],
        env={**os.environ, "PYTHONPATH": str(site)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a job in the background ignores it
    )
    assert process.stdout is not None and process.stdout.readline() == b"waiting\n"
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=20)
    assert process.returncode == 130
    assert b"Traceback" not in stderr and b"interrupted" in stderr


def test_a_plugins_command_cannot_take_a_name_of_ours(site: Path) -> None:
    done = run("crash", PYTHONPATH=str(site))
    assert "plugin unruly offers a command named demo, which is ours" in done.stderr


def test_a_reader_that_goes_away_is_no_crash() -> None:
    process = subprocess.Popen([*PROGRAM, "plugins", "list", "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.close()
    stderr = process.stderr.read() if process.stderr else b""
    assert process.wait(timeout=60) in (0, 120)
    assert b"fault of bfrbench" not in stderr


def test_progress_is_plain_lines_in_a_pipe_and_nothing_when_quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    program = (
        "from bfrbench import progress\nprogress._SECONDS_BETWEEN_LINES = 0.0\n"
        "assert list(progress.track(range(3), 'restoring')) == [0, 1, 2]\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    lines = done.stderr.splitlines()
    assert lines[0].startswith("restoring: 1/3 images, ") and "left" in lines[0] and "\r" not in done.stderr
    quiet = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, env={**os.environ, "BFRBENCH_QUIET": "1"}
    )
    assert (quiet.returncode, quiet.stderr) == (0, "")


def test_the_rate_is_of_what_was_done_since_it_began(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(progress.time, "monotonic", lambda: now)
    stream = io.StringIO()
    with progress.Progress("restoring", total=100, done=40, stream=stream) as shown:
        now = 120.0
        shown.reach(60)
        shown.reach(50)  # somebody who had ten in hand died
        now = 140.0
        shown.reach(70)
        now = 200.0
        shown.reach(90)
    assert stream.getvalue().splitlines()[:3] == [
        "restoring: 60/100 images, 1.0/s, 0:40 left",
        "restoring: 70/100 images, 1.0/s, 0:30 left",
        "restoring: 90/100 images, 0.3/s, 0:30 left",
    ]


def test_progress_on_a_terminal_is_a_bar() -> None:
    import pty

    program = "from bfrbench import progress\nfor _ in progress.track(range(3), 'restoring'): pass\n"
    leader, follower = pty.openpty()
    subprocess.run([sys.executable, "-c", program], stderr=follower, env={**os.environ, "TERM": "xterm"}, check=True)
    os.close(follower)
    time.sleep(0.1)
    shown = os.read(leader, 100_000).decode()
    os.close(leader)
    assert "restoring" in shown and "3/3" in shown and "━" in shown
