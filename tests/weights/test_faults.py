"""Faults made for real: two processes, a full disk, a read-only home, loops of links, a kill in the middle."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from bfrbench.errors import WeightsError
from tests.weights.conftest import BODY, card_of, left_in

FETCH = """
import sys
from pathlib import Path
from bfrbench.errors import WeightsError
from bfrbench.plugins import PluginHost
from bfrbench.weights import WeightCard, WeightStore
card = WeightCard.model_validate_json(sys.argv[2])
store = WeightStore(Path(sys.argv[1]), False, cards={card.name: card}, host=PluginHost(installed=False))
try:
    print(store.path("net").stat().st_size)
except WeightsError as error:
    print(error)
"""


def fetching(home: Path, card: object, before: str = "") -> subprocess.Popen[str]:
    """Another process that fetches the card's file into `home`."""
    arguments = [sys.executable, "-c", before + FETCH, str(home), card.model_dump_json()]
    return subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 512 KiB."""
    yield from mounted(tmp_path / "disk", "size=512k")


def mounted(folder: Path, options: str) -> Iterator[Path]:
    folder.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder], capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"no file system can be mounted here ({done.stderr.strip()})")
    try:
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True)


def test_two_processes_that_fetch_the_same_file_download_it_once(server, tmp_path):
    server.pause = 1.5
    both = [fetching(tmp_path, card_of(server.url())) for _ in range(2)]
    answers = [process.communicate(timeout=60) for process in both]
    assert [out.strip() for out, _ in answers] == ["1000000", "1000000"]
    assert server.asked == [""]
    assert sum("waiting for another process" in err for _, err in answers) == 1


def test_a_killed_download_leaves_no_file_and_goes_on_later(server, store_of, tmp_path):
    store = store_of(tmp_path)
    server.cuts = [600_000]
    process = fetching(
        tmp_path, card_of(server.url()), "from bfrbench.weights import download; download.PAUSE = 3600\n"
    )
    part = tmp_path / "weights" / "net" / ".net.bin.part"
    deadline = time.monotonic() + 60
    while (not part.exists() or part.stat().st_size < 600_000) and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.communicate()
    assert not store.place("net").exists()
    assert store.path("net").read_bytes() == BODY
    assert server.asked == ["", "bytes=600000-"]


def test_a_full_disk_is_told_before_the_first_byte(server, store_of, small_disk):
    store = store_of(small_disk)
    with pytest.raises(WeightsError, match="the disk is full; it needs 1,000,000 bytes") as caught:
        store.path("net")
    assert "BFRBENCH_HOME" in caught.value.remedy
    assert left_in(store) == []


def test_a_disk_that_fills_up_on_the_way_is_left_as_it_was(server, store_of, small_disk):
    server.tells_length = False
    store = store_of(small_disk, size=None)
    with pytest.raises(WeightsError, match="the disk is full"):
        store.path("net")
    assert left_in(store) == []
    assert os.statvfs(small_disk).f_bavail * os.statvfs(small_disk).f_frsize > 400_000


def test_adding_a_file_to_a_full_disk_leaves_nothing(store_of, small_disk, tmp_path):
    file = tmp_path / "mine.bin"
    file.write_bytes(BODY)
    store = store_of(small_disk, offline=True)
    with pytest.raises(WeightsError, match="the disk is full"):
        store.add("net", file)
    assert left_in(store) == []


def test_a_limit_on_the_size_of_files_is_told(server, tmp_path):
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))\n"
    out, err = fetching(tmp_path, card_of(server.url()), limit).communicate(timeout=60)
    assert "no larger file may be made" in out, err
    assert [path.name for path in tmp_path.rglob("*bin*") if path.suffix != ".lock"] == []


def test_a_read_only_home_gives_what_it_has_and_says_what_it_cannot_take(server, store_of, tmp_path):
    mounting = mounted(tmp_path / "disk", "size=4m")
    home = next(mounting)
    try:
        file = tmp_path / "mine.bin"
        file.write_bytes(BODY)
        store_of(home).add("net", file)
        subprocess.run(["mount", "-o", "remount,ro", home], check=True)
        assert store_of(home).path("net").read_bytes() == BODY
        with pytest.raises(WeightsError, match="read-only") as caught:
            store_of(home, name="other").path("other")
        assert "BFRBENCH_HOME" in caught.value.remedy
        with pytest.raises(WeightsError, match="read-only"):
            store_of(home).add("net", file)
        with pytest.raises(WeightsError, match="read-only"):
            store_of(home).remove("net")
        with pytest.raises(WeightsError, match="read-only"):
            store_of(home, sha256=None).path("net")
    finally:
        next(mounting, None)


def test_a_loop_of_links_is_told_by_its_name(store_of, tmp_path):
    store = store_of(offline=True)
    place = store.place("net")
    place.parent.mkdir(parents=True)
    place.symlink_to(place.with_name("again.bin"))
    place.with_name("again.bin").symlink_to(place)
    with pytest.raises(WeightsError, match=r"net\.bin is a loop of symbolic links"):
        store.path("net")
    with pytest.raises(WeightsError, match="loop of symbolic links"):
        store.add("net", place)
    assert store.verify("net").state == "bad"
    assert store.remove("net")
    assert store.verify("net").state == "missing"


def test_a_home_that_is_a_file_is_told(server, store_of, tmp_path):
    home = tmp_path / "home"
    home.write_text("")
    with pytest.raises(WeightsError, match="cannot be used"):
        store_of(home).path("net")
