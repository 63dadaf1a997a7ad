"""Boards: every shipped one holds together, and its digest covers what decides results and nothing else."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from bfrbench import config
from bfrbench.bench.board import Board, load_board, shipped_boards
from bfrbench.bench.checking import board_problems
from bfrbench.bench.drafting import draft
from bfrbench.bench.rules import Breakdown
from bfrbench.bench.stage import digest_of_board
from bfrbench.errors import ConfigError, UnknownName, UsageError

ASKED_FOR = (
    *("studio-ci", "studio", "studio-pose", "celeba-test", "celeba-test-gfpgan", "ffhq-val", "lfw-test"),
    *("webphoto-test", "celebchild-test", "celebadult-test", "wider-test"),
    *("ffhq-sr-x4", "ffhq-sr-x8", "ffhq-sr-x16", "gpen-bfr", "gpen-fsr", "mmrb-sr"),
)


def test_every_board_that_was_promised_is_there() -> None:
    assert set(ASKED_FOR) <= set(shipped_boards())


@pytest.mark.parametrize("name", sorted(shipped_boards()))
def test_a_shipped_board_holds_together(name: str) -> None:
    assert board_problems(load_board(name)) == []


def test_no_two_boards_ask_the_same() -> None:
    digests = [digest_of_board(load_board(name)) for name in shipped_boards()]
    assert len(set(digests)) == len(digests)


@pytest.mark.parametrize(
    "change",
    [
        {"dataset": "studio-test"},
        {"size": 64, "degradation": "vqfr-1@64"},
        {"degradation": "vqfr-2@128"},
        {"seed": 2},
        {"codec": "jpeg:95"},
        {"max_failures": 0.5},
        {"breakdown": [{"by": "yaw", "edges": [0]}]},
    ],
)
def test_the_digest_changes_with_each_choice(change: dict[str, object]) -> None:
    board = load_board("studio-ci")
    changed = Board.model_validate({**board.model_dump(), **change})
    assert digest_of_board(changed) != digest_of_board(board)


@pytest.mark.parametrize(
    "change",
    [
        {"title": "another", "summary": "another", "notes": ["another"], "ranks": True},
        {"gate": [{"metric": "psnr", "max_drop": 9}]},
        {"layout": {"batch": 1, "shard": 1, "time_limit": 1}},
        {"ranking": {"metric": "ssim"}},
    ],
)
def test_the_digest_leaves_out_what_decides_no_result(change: dict[str, object]) -> None:
    board = load_board("studio-ci")
    changed = Board.model_validate({**board.model_dump(), **change})
    assert digest_of_board(changed) == digest_of_board(board)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ("codec = 'gif'", "codec"),
        ("seeed = 3", "seeed"),
        ("breakdown = [{ by = 'yaw' }]", "needs edges"),
        ("breakdown = [{ by = 'yaw', edges = [3, 1] }]", "must rise"),
        ("breakdown = [{ by = 'identity', edges = [3] }]", "needs groups"),
        ("gate = [{ metric = 'psnr' }]", "max_drop, floor or max_gain"),
        ("gate = [{ metric = 'psnr', max_drop = 1, breakdown = 'yaw' }]", "names breakdown 'yaw'"),
    ],
)
def test_a_mistake_in_a_board_is_named(change: str, sentence: str, tmp_path: Path) -> None:
    path = tmp_path / "board.toml"
    path.write_text(draft("mine", "studio-ci", 128, "vqfr-1@128", "basic-v1").replace('codec = "png"', "") + change)
    with pytest.raises(ConfigError, match=sentence):
        load_board(path)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"dataset": "nowhere"}, "no data set or path 'nowhere'"),
        ({"dataset": "lfw128:other"}, "has no part 'other'"),
        ({"dataset": "lfw128:test", "size": 256, "degradation": "vqfr-1@256"}, "has 128 px"),
        ({"degradation": "vqfr-1"}, "vqfr-1@128"),
        ({"degradation": "vqfr-9@128"}, "no recipe named 'vqfr-9'"),
        ({"protocol": "basic-v9"}, "no protocol named 'basic-v9'"),
        ({"ranking": {"metric": "fid"}}, "metric 'fid' of its rules"),
    ],
)
def test_a_board_that_does_not_hold_together_says_why(changes: dict[str, object], sentence: str) -> None:
    board = Board.model_validate({**load_board("studio-ci").model_dump(), **changes})
    assert any(sentence in problem for problem in board_problems(board)), board_problems(board)


def test_a_misspelt_board_is_met_with_the_nearest() -> None:
    with pytest.raises(UnknownName, match="studio-ci"):
        load_board("studio-cl")
    with pytest.raises(UsageError, match="no board file"):
        load_board("nowhere/board.toml")


def test_a_new_board_can_be_run_as_it_stands() -> None:
    text = draft("mine", "studio-ci", 128, "vqfr-1@128", "basic-v1")
    board = config.parse(tomllib.loads(text), Board, where="test")
    assert board_problems(board) == []


def test_bins_are_named_and_a_border_belongs_to_the_bin_above() -> None:
    import pyarrow as pa

    from bfrbench.bench.summary import bins_of

    breakdown = Breakdown(by="yaw", edges=(15, 30), absolute=True)
    assert breakdown.bins == ("<15", "15..30", ">=30")
    table = pa.table({"yaw": pa.array([-14.9, -15.0, 15, 29.9, -30, 90, None])})
    assert bins_of(table, breakdown).tolist() == ["<15", "15..30", "15..30", "15..30", ">=30", ">=30", None]
