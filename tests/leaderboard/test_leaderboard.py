"""Leaderboards: the same bytes from the same scorecards, ranks that the data bear, and nothing unsound let in."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import bfrbench
from bfrbench.bench import rowtable, scorecard, sealed
from bfrbench.bench.summary import summarise
from bfrbench.cli import main
from bfrbench.contracts import Row
from bfrbench.errors import InputError, UnknownName
from bfrbench.gate import Side
from bfrbench.leaderboard import Entry, build
from bfrbench.leaderboard.contamination import contamination, has_seen
from bfrbench.leaderboard.published import published, reported
from bfrbench.leaderboard.ranking import ranks_of
from bfrbench.leaderboard.submitting import submit
from bfrbench.leaderboard.table import SPLIT, split_line
from bfrbench.metrics import finalise, load_protocol
from bfrbench.metrics.reference import Reference
from bfrbench.plugins import PluginHost
from bfrbench.stats import Ranks, rank_distances
from tests.gate.making import board_with, card_of
from tests.leaderboard.making import COUNT, folder_with, made, place


def good_board(root: Path) -> Path:
    return folder_with(
        root,
        made("clearly-best", 3.0, seed=2),
        made("twin-a", 0.0, seed=3),
        made("twin-b", 0.01, seed=4, facts={"trained_on": ("numbers",), "licence": "CC-BY-NC-4.0"}),
        made("oracle", 20.0, facts={"sees_ground_truth": True, "ranked": False}),
        made("input", -9.0, facts={"ranked": False}),
        made("half", 9.0, status="partial", total=2 * COUNT),
    )


def test_ranks_say_no_more_than_the_data(tmp_path: Path) -> None:
    table = build(good_board(tmp_path)).table
    ranks = {line.restorer: (line.rank, line.best, line.worst) for line in table.lines}
    assert ranks["clearly-best"] == (1, 1, 1)
    assert {ranks["twin-a"][1:], ranks["twin-b"][1:]} == {(2, 3)}, "two equals share their ranks"
    assert ranks["oracle"] == ranks["input"] == ranks["half"] == (None, None, None)
    assert [line.restorer for line in table.lines][3:] == ["oracle", "half", "input"]


def test_what_is_shown_and_not_ranked_says_why(tmp_path: Path) -> None:
    lines = {line.restorer: line for line in build(good_board(tmp_path)).table.lines}
    assert lines["oracle"].note == "sees the ground truth"
    assert lines["half"].note.startswith("partial run, 60 of 120")
    assert lines["twin-b"].flags == ("trained on the test set",)
    assert lines["clearly-best"].numbers["psnr"].place == 1
    assert lines["oracle"].numbers["psnr"].place is None, "the truth does not compete"


@pytest.mark.parametrize(
    ("test", "trained", "seen"),
    [
        ("ffhq-val", "ffhq", "yes"),  # a part of the whole
        ("ffhq", "ffhq-val", "yes"),  # the whole, of which a part was seen
        ("ffhq-val", "ffhq:train", "perhaps"),  # no card says which images that is
        ("lfw128:test", "lfw128:train", "no"),
        ("lfw128:test", "lfw128", "yes"),
        ("lfw128:test", "lfw", "yes"),
        ("lfw-test", "lfw128:train", "perhaps"),  # both were taken from LFW
        ("celeba-test", "celeba-hq", "yes"),
        ("celeba-test:vqfr", "celeba-test", "yes"),  # the same images, beside their partners
        ("studio-test:128", "studio-test", "yes"),  # the same faces at another size
        ("studio-test", "studio-train", "no"),
        ("lfw-test", "ffhq", "no"),
        ("numbers:test", "numbers:train", "no"),  # a set that no card tells of
        ("numbers:test", "numbers", "yes"),
        ("hf:a/faces", "hf:b/faces", "no"),
    ],
)
def test_a_model_saw_a_test_set_when_the_cards_say_so(test: str, trained: str, seen: str) -> None:
    assert has_seen(test, trained) == seen


def test_a_released_gpen_is_flagged_on_the_last_images_of_ffhq() -> None:
    (gpen,) = [owned.spec for name, owned in PluginHost().restorers().items() if name == "gpen-512"]
    assert contamination("ffhq-val", gpen.trained_on) == ["trained on the test set"]
    assert contamination("lfw-test", ("ffhq", "lfw128:train")) == [
        "may have been trained on images of the test set, by lfw128:train"
    ]
    assert contamination("celebchild-test", gpen.trained_on) == []


def test_nothing_is_ranked_across_the_oracle_and_what_beats_it_is_marked(tmp_path: Path) -> None:
    oracle = made("oracle", 1.0, facts={"sees_ground_truth": True, "ranked": False})
    lines = {
        line.restorer: line
        for line in build(folder_with(tmp_path, oracle, made("too-good", 3.0, seed=2), made("a", seed=3))).table.lines
    }
    assert lines["a"].rank == 1 and lines["a"].flags == ()
    assert lines["too-good"].rank is None and lines["too-good"].numbers["psnr"].place is None
    assert lines["too-good"].note.startswith("better than the ground truth by psnr")
    assert lines["too-good"].flags == ("better than the ground truth by psnr",)


def test_the_ground_truth_against_itself_is_a_line_that_no_rank_touches() -> None:
    stream = np.random.default_rng(0)
    pairs = stream.normal(size=(40, 2, 2048)).astype("f4")
    images = [rowtable.ImageRow(f"i{n:04d}", "ok", "0") for n in range(40)]
    rows = rowtable.make(images, {"fid-gt": [Row(f"i{n:04d}", feature=pair) for n, pair in enumerate(pairs)]})
    metric = load_protocol("bfrbench-v1").metric("fid-gt")
    summary = summarise(rows, [metric], (), {})
    card = made("net").card
    results = card.results.model_copy(update={"metrics": summary.metrics})
    entry = Entry("net", card.model_copy(update={"results": results}), rows)
    (line,) = split_line([entry], load_protocol("bfrbench-v1"))
    assert line.rank is None and "never ranked" in line.note and line.restorer == SPLIT
    assert line.numbers["fid-gt"].n == 20 and line.numbers["fid-gt"].value is not None
    assert line.numbers["fid-gt"].value == pytest.approx(summary.metrics["fid-gt"].extra["truth_split"], rel=1e-4)
    assert split_line([Entry("a", made("a").card, made("a").rows)], load_protocol("basic-v1")) == []


def test_what_a_restorer_costs_stands_in_every_format(tmp_path: Path) -> None:
    built = build(folder_with(tmp_path, made("net")))
    files = {path.suffix: text for path, text in built.files.items()}
    (row,) = csv.DictReader(files[".csv"].splitlines())
    assert [row[name] for name in ("seconds", "memory", "parameters", "macs")] == ["0.01", "1048576", "1000", "1000"]
    for text in (files[".md"], files[".html"]):
        assert all(name in text for name in ("s/image", "peak MiB", "parameters", "GMACs", "0.001 M", "1e-06"))


def test_the_same_scorecards_give_the_same_bytes(tmp_path: Path) -> None:
    first, second = build(good_board(tmp_path / "a")), build(good_board(tmp_path / "b"))
    assert list(first.files.values()) == list(second.files.values())


def test_a_stale_file_is_found_and_mended(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = good_board(tmp_path)
    assert main(["leaderboard", "build", str(folder), "--check"]) == 2
    assert main(["leaderboard", "build", str(folder)]) == 0
    assert main(["leaderboard", "build", str(folder), "--check"]) == 0
    (folder / "leaderboard.csv").write_text("rank\n")
    capsys.readouterr()
    assert main(["leaderboard", "build", str(folder), "--check"]) == 2
    assert "leaderboard.csv" in capsys.readouterr().err


def test_every_format_says_the_same(tmp_path: Path) -> None:
    built = build(good_board(tmp_path))
    texts = {path.name: text for path, text in built.files.items()}
    rows = list(csv.DictReader(texts["leaderboard.csv"].splitlines()))
    data = json.loads(texts["leaderboard.json"])
    assert [row["restorer"] for row in rows] == [line["restorer"] for line in data["lines"]]
    assert float(rows[0]["psnr"]) == data["lines"][0]["numbers"]["psnr"]["value"]
    best = f"{data['lines'][0]['numbers']['psnr']['value']:.4g}"
    assert f"| 1 | clearly-best | **{best}** |" in texts["README.md"]
    assert f"clearly-best & \\textbf{{{best}}}" in texts["leaderboard.tex"]
    assert texts["leaderboard.tex"].count("\\underline") == 2, "one second place a column"
    assert f"<strong>{best}</strong>" in texts["leaderboard.html"]


def test_a_name_with_markup_stays_a_name(tmp_path: Path) -> None:
    texts = build(folder_with(tmp_path, made("<b>a_1|x", facts={"id": "x"}))).files
    page = next(text for path, text in texts.items() if path.suffix == ".html")
    tex = next(text for path, text in texts.items() if path.suffix == ".tex")
    readme = next(text for path, text in texts.items() if path.name == "README.md")
    assert "&lt;b&gt;a_1|x" in page and "<b>a_1" not in page
    assert "a\\_1" in tex
    assert "a_1\\|x" in readme


def test_a_tampered_scorecard_is_refused(tmp_path: Path) -> None:
    folder = good_board(tmp_path)
    path = folder / "scorecards" / "twin-a.json"
    data = json.loads(path.read_text())
    data["results"]["metrics"]["psnr"]["value"] += 1
    path.write_text(json.dumps(data))
    with pytest.raises(Exception, match="altered"):
        build(folder)


def test_a_scorecard_that_does_not_follow_from_its_rows_is_refused(tmp_path: Path) -> None:
    folder = good_board(tmp_path)
    one = made("twin-a", seed=3)
    results = one.card.results
    better = results.metrics["psnr"].model_copy(update={"value": 99.0})
    forged = results.model_copy(update={"metrics": {**results.metrics, "psnr": better}})
    card = one.card.model_copy(update={"results": forged, "results_digest": scorecard.digest_of(forged)})
    scorecard.write(folder / "scorecards" / "twin-a.json", card)
    with pytest.raises(InputError, match=r"psnr is 99\.0 in the scorecard"):
        build(folder)


def test_rows_that_were_altered_are_refused(tmp_path: Path) -> None:
    folder = good_board(tmp_path)
    path = folder / "scorecards" / "twin-a.parquet"
    data = bytearray(path.read_bytes())
    data[len(data) // 3] ^= 1
    path.write_bytes(data)
    with pytest.raises(InputError, match="damaged"):
        build(folder)


def test_duplicates_strangers_and_other_schemas_are_one_sentence(tmp_path: Path) -> None:
    folder = good_board(tmp_path)
    again = place(folder / "scorecards" / "again.json", made("twin-a", seed=3))
    with pytest.raises(InputError, match=r"(?s)again and twin-a|twin-a and again"):
        build(folder)
    place(again, made("stranger", board="elsewhere"))
    with pytest.raises(InputError, match="of board 'elsewhere'"):
        build(folder)
    place(again, made("stranger", board_digest="1" * 64))
    with pytest.raises(InputError, match="other choices"):
        build(folder)
    again.write_text(again.read_text().replace('"schema_version": "1"', '"schema_version": "9"'))
    with pytest.raises(InputError, match="schema version '9'"):
        build(folder)


def against(one: Side, reference: str) -> Side:
    """The same results, said to be a distance to statistics with this digest."""
    psnr = one.card.results.metrics["psnr"].model_copy(update={"reference": "ffhq512", "reference_digest": reference})
    results = one.card.results.model_copy(update={"metrics": {**one.card.results.metrics, "psnr": psnr}})
    return Side(card_of(results), one.rows)


def test_numbers_against_other_statistics_share_no_board(tmp_path: Path) -> None:
    first, second = (against(made(name, seed=seed), "a" * 64) for name, seed in (("a", 1), ("b", 2)))
    folder = folder_with(tmp_path, first, second)
    assert len(build(folder).table.lines) == 2
    other = place(tmp_path / "c.json", against(made("c", seed=3), "b" * 64))
    with pytest.raises(InputError, match="the new c compares with other statistics of ffhq512 by psnr than a"):
        submit(other, tmp_path)
    place(folder / "scorecards" / "c.json", against(made("c", seed=3), "b" * 64))
    with pytest.raises(InputError, match="other statistics"):
        build(folder)


def test_no_ranks_come_from_other_statistics_than_the_numbers_beside_them(monkeypatch: pytest.MonkeyPatch) -> None:
    protocol, count, name = load_protocol("vqfr"), 500, "fid-ffhq"
    features = np.random.default_rng(0).normal(size=(count, 1, 2048)).astype("f4")
    images = [rowtable.ImageRow(f"i{n:04d}", "ok", "0") for n in range(count)]
    rows = rowtable.make(images, {name: [Row(f"i{n:04d}", feature=one) for n, one in enumerate(features)]})
    here = Reference("here", "0" * 64, "vqfr", None, np.zeros(2048), np.eye(2048))
    monkeypatch.setattr("bfrbench.metrics.references.open_reference", lambda *_: here)
    metrics = summarise(rows[:0], [protocol.metric(name)], (), {}).metrics
    entries = []
    for ref in ("a", "b"):
        measured = metrics[name].model_copy(update={"reference_digest": "a" * 64})
        results = made(ref).card.results.model_copy(update={"metrics": {name: measured}})
        entries.append(Entry(ref, card_of(results), rows))
    ranks, why = ranks_of(entries, board_with(protocol="vqfr", ranking={"metric": name}), protocol)
    assert ranks is None and "are not those that fid-ffhq was measured with" in why


def test_a_large_board_ranks_by_the_numbers_themselves(monkeypatch: pytest.MonkeyPatch) -> None:
    """Halves of large sets are estimates: also where an image that one line lost makes a part of every set."""
    for where, small in (("metrics.kid.LARGEST", 30), ("metrics.kid_parts.LARGEST", 30)):
        monkeypatch.setattr(f"bfrbench.{where}", small)
    monkeypatch.setattr("bfrbench.leaderboard.ranking.FEWEST_FOR_DISTANCE", 60)
    monkeypatch.setattr("bfrbench.leaderboard.ranking.SUBSETS", 8)
    protocol, seen = load_protocol("bfrbench-v1"), dict[str, Any]()
    metric = protocol.metric("kid-gt")
    world = np.random.default_rng(0)
    images = [rowtable.ImageRow(f"i{n:04d}", "ok", "0") for n in range(90)]
    entries, expected = [], []
    for ref in ("a", "b"):
        rows = [Row(one.id, feature=world.normal(size=(2, 2048)).astype("f4")) for one in images]
        expected.append(finalise(metric, rows[3:]).value)
        rows[:3] = [Row(one.id, "error") for one in images[:3]] if ref == "a" else rows[:3]
        entries.append(Entry(ref, made(ref).card, rowtable.make(images, {metric.rows: rows})))

    def spied(*words: Any, **facts: Any) -> Ranks:
        seen.update(facts)
        return rank_distances(*words, **facts)

    monkeypatch.setattr("bfrbench.leaderboard.ranking.rank_distances", spied)
    ranks, why = ranks_of(entries, board_with(protocol="bfrbench-v1", ranking={"metric": "kid-gt"}), protocol)
    assert ranks is not None and not why
    assert seen["whole"] == expected and ranks.rank == ((1, 2) if expected[0] < expected[1] else (2, 1))


def test_a_submission_lands_beside_the_others(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = good_board(tmp_path)
    run = tmp_path / "run"
    run.mkdir()
    one = made("New/Model:v1", 1.0, seed=8)
    sealed.write(run / scorecard.ROWS, [one.rows], one.rows.schema)
    scorecard.write(run / scorecard.FILE, one.card)
    assert main(["submit", str(run), "--into", str(tmp_path)]) == 0
    assert (folder / "scorecards" / "new-model-v1.json").is_file()
    assert "New/Model:v1" in [line.restorer for line in build(folder).table.lines]
    with pytest.raises(InputError, match="same restorer"):
        submit(run, tmp_path)


def test_a_table_of_ones_own_needs_no_more_than_a_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = tmp_path / "run"
    bfrbench.run("bicubic", "studio-ci", out=run, limit=4)
    assert main(["submit", str(run), "--into", str(tmp_path / "ours")]) == 0
    assert capsys.readouterr().out.endswith(f"bfrbench leaderboard build {tmp_path / 'ours' / 'studio-ci'}\n")
    assert main(["leaderboard", "build", str(tmp_path / "ours" / "studio-ci")]) == 0
    assert "bicubic" in (tmp_path / "ours" / "studio-ci" / "README.md").read_text()


def test_a_submission_to_an_unknown_board_or_of_a_failed_run_is_refused(tmp_path: Path) -> None:
    good_board(tmp_path)
    stray = place(tmp_path / "stray.json", made("a", board="elsewhere"))
    with pytest.raises(UnknownName, match="elsewhere"):
        submit(stray, tmp_path)
    failed = place(tmp_path / "failed.json", made("b", status="failed"))
    with pytest.raises(InputError, match="failed run"):
        submit(failed, tmp_path)


def test_a_board_that_never_ranks_has_an_order_and_no_ranks(tmp_path: Path) -> None:
    folder = good_board(tmp_path)
    board = folder / "board.toml"
    board.write_text(board.read_text().replace('summary = "For tests."', 'summary = "For tests."\nranks = false'))
    table = build(folder).table
    assert "never ranks" in table.unranked
    assert table.lines[0].restorer == "clearly-best" and table.lines[0].rank is None


def test_every_published_number_has_a_source_and_most_have_a_board() -> None:
    from bfrbench.bench.board import shipped_boards

    everything = published()
    assert len(everything) == 633
    assert all(one.source and float(one.value) == float(one.value) for one in everything)
    boards = {one.board for one in everything if one.board}
    assert boards <= set(shipped_boards())
    (gpen,) = [one for one in reported("gpen-bfr") if one.method == "GPEN"]
    assert gpen.numbers["FID"] and gpen.source.startswith("GPEN (CVPR 2021)")
