"""`bfrbench weights` as a user meets it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bfrbench.cli import main
from bfrbench.weights.card import shipped_cards
from tests.shared_data import shared
from tests.shared_weights import FILES


def test_every_card_is_listed_with_where_it_is(capsys):
    assert main(["weights", "list", "--json"]) == 0
    rows = {row["name"]: row for row in json.loads(capsys.readouterr().out)}
    assert rows.keys() == shipped_cards().keys()
    assert rows["yunet"]["path"] is None
    assert rows["lpips-alex"]["path"]
    assert main(["weights", "list"]) == 0
    assert "yunet" in capsys.readouterr().out
    assert main(["weights", "list", "--missing", "--json"]) == 0
    missing = {row["name"] for row in json.loads(capsys.readouterr().out)}
    assert "yunet" in missing and "lpips-alex" not in missing


def test_a_file_is_added_found_verified_and_removed(capsys, own_home):
    assert main(["weights", "add", "yunet", str(shared("weights", "yunet_n_640.onnx"))]) == 0
    capsys.readouterr()
    assert main(["weights", "path", "yunet"]) == 0
    place = Path(capsys.readouterr().out.strip())
    assert place.is_relative_to(own_home) and place.stat().st_size == 317_466
    assert main(["weights", "verify", "--json"]) == 0
    assert "yunet" in [row["name"] for row in json.loads(capsys.readouterr().out)]
    place.write_bytes(b"x" * 317_466)
    assert main(["weights", "verify", "yunet"]) == 2
    assert "sha256" in capsys.readouterr().out
    assert main(["weights", "path", "yunet"]) == 2
    assert main(["weights", "remove", "yunet"]) == 0
    assert not place.exists()
    assert main(["weights", "verify", "yunet"]) == 2


def test_a_folder_of_files_is_added_at_once(capsys):
    folder = shared("weights")
    assert main(["weights", "add", "--from-folder", str(folder)]) == 0
    added = {line.partition(":")[0] for line in capsys.readouterr().out.splitlines()}
    assert added == FILES.keys()


@pytest.mark.parametrize(
    "arguments",
    [
        ["path", "vgg16"],
        ["fetch", "vgg16", "--offline"],
        ["fetch"],
        ["fetch", "vgg61"],
        ["add", "vgg16"],
        ["add"],
        ["add", "vgg16", "none.pth"],
        ["add", "--from-folder", "none"],
        ["remove"],
        ["verify", "vgg61"],
    ],
)
def test_what_cannot_be_done_is_one_sentence_and_exit_2(arguments, capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert main(["weights", *arguments]) == 2
    err = capsys.readouterr().err
    assert err.startswith("bfrbench: ") and err.count("\n") == 1


def test_offline_is_heeded_as_a_flag_too(capsys, monkeypatch):
    monkeypatch.delenv("BFRBENCH_OFFLINE")
    assert main(["weights", "path", "vgg16", "--offline"]) == 2
    assert "downloads are off" in capsys.readouterr().err
