"""Claims: one holder at a time, the dead give way, and no clock is believed."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bfrbench.bench.claims import Claims, machine
from bfrbench.errors import OutputError

HOLD = """
import sys, time
from pathlib import Path
from bfrbench.bench.claims import Claims
with Claims(Path(sys.argv[1])) as claims:
    print(claims.take("shard"), flush=True)
    time.sleep(60)
"""


def test_what_one_holds_no_other_gets_until_it_is_released(tmp_path: Path) -> None:
    with Claims(tmp_path) as first, Claims(tmp_path) as second:
        assert first.take("shard")
        assert not second.take("shard")
        first.release("shard")
        assert second.take("shard")


def test_claims_end_with_their_holder(tmp_path: Path) -> None:
    with Claims(tmp_path) as first:
        assert first.take("shard")
    with Claims(tmp_path) as second:
        assert second.take("shard")


def test_a_killed_process_gives_way_at_once(tmp_path: Path) -> None:
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None and process.stdout.readline().strip() == "True"
    with Claims(tmp_path) as mine:
        assert not mine.take("shard")
        process.kill()
        process.wait()
        assert mine.take("shard")


def test_a_holder_on_another_machine_is_dead_when_its_heart_stops(tmp_path: Path) -> None:
    text = '{"machine": "another", "pid": 1, "started": "1", "run": "x", "beat": 3}'
    (tmp_path / "shard.json").write_text(text)
    with Claims(tmp_path, dead=0.2) as mine:
        assert not mine.take("shard")
        (tmp_path / "shard.json").write_text(text.replace('"beat": 3', '"beat": 4'))
        time.sleep(0.3)
        assert not mine.take("shard"), "it beat in between"
        time.sleep(0.3)
        assert mine.take("shard")


def test_a_beating_holder_keeps_its_claim_whatever_the_clocks_say(tmp_path: Path) -> None:
    with Claims(tmp_path, beat=0.05) as first, Claims(tmp_path, dead=0.3) as second:
        first._owner["machine"] = "another"
        assert first.take("shard")
        for stamp in (0, 4_000_000_000):  # 1970, and 2096
            assert not second.take("shard")
            os.utime(tmp_path / "shard.json", (stamp, stamp))
            time.sleep(0.4)
            assert not second.take("shard")


def test_a_claim_that_was_cut_short_belongs_to_nobody_for_long(tmp_path: Path) -> None:
    (tmp_path / "shard.json").write_text('{"machine": "ano')
    with Claims(tmp_path, dead=0.1) as mine:
        assert not mine.take("shard")
        time.sleep(0.2)
        assert mine.take("shard")


def test_a_claim_whose_text_is_still_to_come_is_alive(tmp_path: Path) -> None:
    """Between making a claim's file and writing it there is a moment in which others see it empty."""
    with Claims(tmp_path, dead=60) as claims:
        (tmp_path / "shard-0.json").touch()
        assert not claims.take("shard-0")
        assert not claims.take("shard-0")


def test_a_claim_that_cannot_be_read_says_nothing_and_the_others_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Network file systems answer so when another machine has replaced the file."""
    read = Path.read_bytes

    def stale(path: Path) -> bytes:
        if path.stem == "shard-1":
            raise OSError(errno.ESTALE, "Stale file handle")
        return read(path)

    with Claims(tmp_path) as first, Claims(tmp_path) as second:
        assert first.take("shard-1") and first.take("shard-2") and second.take("shard-3")
        monkeypatch.setattr(Path, "read_bytes", stale)
        assert second.told() == {"shard-2": 0, "shard-3": 0}
        assert not second.take("shard-1") and not second.take("shard-2")
        monkeypatch.undo()


def test_a_holder_says_how_far_it_is_and_the_dead_say_nothing(tmp_path: Path) -> None:
    dead = '{"machine": "%s", "pid": 999999999, "started": "1", "run": "x", "beat": 3, "done": 7}'
    with Claims(tmp_path, beat=0.05) as first, Claims(tmp_path) as second:
        assert first.take("shard-0") and second.take("shard-1")
        (tmp_path / "shard-2.json").write_text(dead % machine())
        first.tell("shard-0", 4)
        second.tell("shard-1", 5)
        deadline = time.monotonic() + 10
        while second.told() != {"shard-0": 4, "shard-1": 5}:
            assert time.monotonic() < deadline, second.told()
            time.sleep(0.05)
        first.release("shard-0")
        first.tell("shard-0", 6)
        assert second.told() == {"shard-1": 5}


def test_a_claim_that_nobody_can_read_or_clear_away_is_said(tmp_path: Path) -> None:
    (tmp_path / "shard.json").mkdir()
    with Claims(tmp_path, dead=0.0) as claims:
        assert not claims.take("shard")
        with pytest.raises(OutputError, match=r"cannot write to .*directory"):
            claims.take("shard")


def test_a_claim_that_was_lost_leaves_the_others_beating(tmp_path: Path) -> None:
    with Claims(tmp_path, beat=0.02) as claims:
        assert claims.take("a") and claims.take("b")
        (tmp_path / "a.json").unlink()
        before = (tmp_path / "b.json").read_bytes()
        deadline = time.monotonic() + 20
        while (tmp_path / "b.json").read_bytes() == before:
            assert time.monotonic() < deadline
            time.sleep(0.02)
