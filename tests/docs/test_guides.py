"""The guides' commands run, in order, in an empty folder; those that need data are at least commands that exist."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
GUIDES = sorted(path for path in (ROOT / "docs" / "guides").glob("*.md") if path.name != "README.md")
_BLOCK = re.compile(r"^```(\w+)([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(page: Path, kind: str) -> list[str]:
    return [text for _, words, text in _BLOCK.findall(page.read_text()) if words.split() == [kind]]


@pytest.mark.parametrize("page", GUIDES, ids=lambda path: path.stem)
def test_every_block_says_whether_it_runs(page: Path) -> None:
    for language, words, text in _BLOCK.findall(page.read_text()):
        assert (language, words.strip()) in {("bash", "run"), ("bash", "needs-data")}, text


@pytest.mark.parametrize("page", GUIDES, ids=lambda path: path.stem)
def test_the_commands_of_a_guide_run(page: Path, tmp_path: Path) -> None:
    script = "\n".join(["set -euo pipefail", *blocks(page, "run")])
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "BFRBENCH_HOME": str(tmp_path / "home"), "BFRBENCH_OFFLINE": "1"}
    done = subprocess.run(["bash", "-c", script], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-3000:]


@pytest.mark.parametrize("page", GUIDES, ids=lambda path: path.stem)
def test_the_commands_that_need_data_exist_with_their_options(page: Path) -> None:
    from bfrbench.cli import app

    for text in blocks(page, "needs-data"):
        for line in text.splitlines():
            words = shlex.split(line)
            start = words.index("bfrbench") + 1
            command, *_ = app.parse_args(words[start:], exit_on_error=False, print_error=False)
            assert callable(command), line
