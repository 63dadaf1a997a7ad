"""Downloads against a real server that cuts, lies, moves and dawdles."""

from __future__ import annotations

import json

import pytest

from bfrbench.errors import WeightsError
from bfrbench.weights import download
from tests.weights.conftest import BODY, left_in


def test_a_file_is_fetched_once_and_found_afterwards(server, store_of):
    store = store_of()
    assert store.path("net").read_bytes() == BODY
    assert store.path("net") == store.place("net")
    assert len(server.asked) == 1
    assert left_in(store) == ["net.bin"]


def test_a_cut_download_goes_on_where_it_stopped(server, store_of):
    server.cuts = [300_000, 200_000]
    store = store_of()
    assert store.path("net").read_bytes() == BODY
    assert server.asked == ["", "bytes=300000-", "bytes=500000-"]
    assert left_in(store) == ["net.bin"]


def test_a_download_that_was_given_up_goes_on_in_the_next_run(server, store_of):
    server.cuts = [400_000] + [0] * download.PATIENCE
    with pytest.raises(WeightsError, match="stopped after 400,000 bytes") as caught:
        store_of().path("net")
    assert "weights add net FILE" in caught.value.remedy
    assert not store_of().place("net").exists()
    server.asked.clear()
    server.cuts = []
    assert store_of().path("net").read_bytes() == BODY
    assert server.asked == ["bytes=400000-"]


def test_a_file_that_changed_on_the_server_is_fetched_from_its_start(server, store_of):
    server.cuts = [400_000] + [0] * download.PATIENCE
    server.files["/net.bin"] = bytes(len(BODY))
    with pytest.raises(WeightsError):
        store_of().path("net")
    server.files["/net.bin"], server.etag, server.cuts = BODY, '"two"', []
    assert store_of().path("net").read_bytes() == BODY


def test_a_server_without_ranges_or_marks_still_delivers(server, store_of):
    server.ranges, server.etag, server.cuts = False, None, [100_000]
    assert store_of().path("net").read_bytes() == BODY
    assert server.asked == ["", ""]


def test_a_server_that_tells_no_length_is_checked_by_size_and_digest(server, store_of):
    server.tells_length = False
    server.files["/net.bin"] = BODY[:-1]
    with pytest.raises(WeightsError, match="has 999,999 bytes, expected 1,000,000"):
        store_of().path("net")
    server.files["/net.bin"] = BODY + BODY
    with pytest.raises(WeightsError, match="more than 1,000,000 bytes"):
        store_of().path("net")
    assert left_in(store_of()) == []


def test_a_wrong_size_is_refused_before_the_first_byte(server, store_of):
    server.files["/net.bin"] = BODY + b"x"
    with pytest.raises(WeightsError, match="has 1,000,001 bytes, expected 1,000,000"):
        store_of().path("net")
    assert left_in(store_of()) == []


def test_a_wrong_digest_leaves_nothing_and_names_both(server, store_of):
    server.files["/net.bin"] = b"x" * len(BODY)
    store = store_of()
    with pytest.raises(WeightsError) as caught:
        store.path("net")
    assert f"expected {store.card('net').sha256}" in caught.value.problem
    assert server.url() in caught.value.problem
    assert left_in(store) == []


def test_a_busy_server_is_asked_again_and_a_missing_file_is_not(server, store_of, tmp_path):
    server.status = [503, 429]
    assert store_of().path("net").read_bytes() == BODY
    assert len(server.asked) == 3
    server.asked.clear()
    with pytest.raises(WeightsError, match="answers 404"):
        store_of(tmp_path / "other", url=server.url("/gone")).path("net")
    assert len(server.asked) == 1


def test_the_next_source_is_tried_when_one_fails(server, store_of):
    sources = [{"url": server.url("/gone")}, {"url": server.url()}]
    assert store_of(sources=sources).path("net").read_bytes() == BODY
    assert len(server.asked) == 2


def test_a_part_survives_a_later_source_that_has_nothing(server, store_of):
    server.cuts = [400_000] + [0] * download.PATIENCE
    sources = [{"url": server.url()}, {"url": server.url("/gone")}]
    with pytest.raises(WeightsError, match=r"stopped after 400,000 bytes .*answers 404"):
        store_of(sources=sources).path("net")
    server.asked.clear()
    server.cuts = []
    assert store_of(sources=sources).path("net").read_bytes() == BODY
    assert server.asked == ["bytes=400000-"]


def test_a_server_that_cannot_be_reached_is_one_sentence(server, store_of, monkeypatch):
    monkeypatch.setattr(download, "PATIENCE", 2)
    with pytest.raises(WeightsError, match="cannot be reached") as caught:
        store_of(url="http://127.0.0.1:9/net.bin").path("net")
    assert "\n" not in str(caught.value)


def test_part_files_that_are_not_ours_to_trust_are_thrown_away(server, store_of):
    store = store_of()
    part, note = download.part_of(store.place("net"))
    part.parent.mkdir(parents=True)
    part.write_bytes(b"?" * 500_000)
    note.write_text("{broken")
    assert store.path("net").read_bytes() == BODY
    assert server.asked == [""]


def test_a_part_longer_than_the_file_starts_again(server, store_of):
    store = store_of()
    part, note = download.part_of(store.place("net"))
    part.parent.mkdir(parents=True)
    part.write_bytes(b"?" * 1_000_001)
    note.write_text(json.dumps({"url": server.url(), "version": '"one"'}))
    assert store.path("net").read_bytes() == BODY


def test_a_whole_part_that_was_never_put_in_place_needs_no_network(server, store_of):
    store = store_of()
    part, note = download.part_of(store.place("net"))
    part.parent.mkdir(parents=True)
    part.write_bytes(BODY)
    note.write_text(json.dumps({"url": server.url(), "version": ""}))
    assert store.path("net").read_bytes() == BODY
    assert server.asked == []
    assert left_in(store) == ["net.bin"]
