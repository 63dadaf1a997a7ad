"""The report and the figure: what they show is what the runs hold."""

from __future__ import annotations

import base64
import io
import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import bfrbench
from bfrbench.bench import scorecard
from bfrbench.cli import main
from bfrbench.errors import InputError, NotComparable, UsageError
from bfrbench.imaging.read import read_image
from bfrbench.report.figure import latex, parse_box
from bfrbench.report.page import _json, render
from bfrbench.report.pictures import Sizes
from bfrbench.report.runs import open_runs
from tests.report.conftest import COUNT, Made


def embedded(page: str, name: str) -> Any:
    found = re.search(rf'<script type="application/json" id="{name}">(.*?)</script>', page, re.DOTALL)
    assert found
    return json.loads(found[1])


def test_the_page_holds_the_numbers_of_the_scorecards(made: Made) -> None:
    data = embedded(render(open_runs([made.input, made.bicubic])), "data")
    assert [run["name"] for run in data["runs"]] == ["input", "bicubic"]
    for run, folder in zip(data["runs"], (made.input, made.bicubic), strict=True):
        psnr = scorecard.read(folder).results.metrics["psnr"]
        assert run["metrics"]["psnr"] == [psnr.value, psnr.low, psnr.high, psnr.n]
    assert len(data["ids"]) == len(data["rows"]["psnr"][0]) == COUNT
    assert np.mean(data["rows"]["psnr"][1]) == pytest.approx(data["runs"][1]["metrics"]["psnr"][0], rel=1e-4)
    assert {cell["by"] for cell in data["runs"][0]["breakdowns"]} == {"severity"}


def test_the_page_shows_the_pictures_of_the_runs_and_the_truth(made: Made) -> None:
    page = render(open_runs([made.input, made.bicubic]))
    data, small = embedded(page, "data"), embedded(page, "small")
    assert data["sources"] == ["input image", "input", "bicubic", "ground truth"]
    image_id = data["ids"][3]
    shown = np.asarray(Image.open(io.BytesIO(base64.b64decode(small[image_id][2]))).convert("RGB"), dtype=float)
    kept = read_image(made.bicubic / "images" / f"{image_id}.png").astype(float)
    others = [
        read_image(made.bicubic / "images" / f"{name}.png").astype(float) for name in data["ids"] if name != image_id
    ]
    assert np.abs(shown - kept).mean() < min(np.abs(shown - other).mean() for other in others)


@pytest.mark.parametrize(("codec", "suffix"), [("jpeg:90", "jpg"), ("webp:80", "webp")])
def test_pictures_that_went_through_a_lossy_codec_are_shown_too(
    made: Made, tmp_path: Path, codec: str, suffix: str
) -> None:
    board = tmp_path / "board.toml"
    board.write_text(made.board.read_text().replace("size = 64\n", f'size = 64\ncodec = "{codec}"\n'))
    out = tmp_path / "run"
    bfrbench.run("input", board, out=out, save_images=True, threads=1, limit=2, metrics=("psnr",))
    runs = open_runs([out])
    page = render(runs)
    assert all(all(row) for row in embedded(page, "small").values())
    kept = runs.first.picture("noise-000001")
    assert kept is not None and np.array_equal(kept, read_image(out / "images" / f"noise-000001.{suffix}"))


def test_large_pictures_are_kept_while_there_is_room_for_them_and_the_worst_come_first(made: Made) -> None:
    runs = open_runs([made.input, made.bicubic])
    whole = render(runs, sizes=Sizes(small=16, large=64))
    assert len(embedded(whole, "large")) == COUNT
    small, large = embedded(whole, "small"), embedded(whole, "large")
    taken = sum(len(code) for row in small.values() for code in row)
    each = max(sum(map(len, row)) for row in large.values())
    some = embedded(render(runs, sizes=Sizes(small=16, large=64, page=taken + 5 * each)), "large")
    assert 5 <= len(some) < COUNT
    psnr = embedded(whole, "data")["rows"]["psnr"][0]
    assert embedded(whole, "data")["ids"][int(np.argmin(psnr))] in some
    assert not embedded(render(runs), "large"), "the small ones of 64 px are whole already"


def test_small_pictures_too_are_kept_while_there_is_room_and_the_page_says_of_how_many(made: Made) -> None:
    runs = open_runs([made.input, made.bicubic])
    whole = render(runs, sizes=Sizes(small=32))
    assert "images are here" not in whole
    each = [sum(map(len, row)) for row in embedded(whole, "small").values()]
    page = render(runs, sizes=Sizes(small=32, large=64, smalls=sum(each) // 4))
    small, large, data = (embedded(page, name) for name in ("small", "large", "data"))
    assert 0 < len(small) < COUNT and len(data["ids"]) == COUNT, "numbers are those of all images"
    assert f"pictures of {len(small)} of {COUNT} images are here" in page
    assert sum(len(code) for row in small.values() for code in row) <= sum(each) // 4
    assert data["ids"][int(np.argmin(data["rows"]["psnr"][0]))] in small, "the worst of a run is there"
    assert set(large) == set(small), "what is left of the page's room goes to large ones"
    tight = render(runs, sizes=Sizes(small=32, page=sum(each) // 4))
    assert sum(len(code) for row in embedded(tight, "small").values() for code in row) <= sum(each) // 4


def test_the_page_asks_nothing_of_a_network(made: Made) -> None:
    page = render(open_runs([made.input]))
    assert not re.search(r"""(src|href)\s*=\s*["'](?!data:)""", page)
    assert set(re.findall(r"https?://[^\s\"']+", page)) <= {"http://www.w3.org/2000/svg"}


def test_names_cannot_break_out_of_the_page() -> None:
    nasty = {"</script><script>alert(1)</script>": "\u2028"}
    text = _json(nasty)
    assert "</script" not in text and json.loads(text) == nasty


def test_runs_that_kept_no_pictures_say_so(made: Made, tmp_path: Path) -> None:
    bare = tmp_path / "bare"
    bare.mkdir()
    for name in ("scorecard.json", "rows.parquet", "manifest.json"):
        shutil.copy(made.input / name, bare / name)
    page = render(open_runs([bare]))
    assert "run it with --save-images" in page
    assert embedded(page, "data")["sources"] == ["input image", "ground truth"]


def test_runs_of_other_boards_do_not_share_a_page(made: Made, tmp_path: Path) -> None:
    card = scorecard.read(made.bicubic)
    results = card.results.model_copy(update={"board_digest": "1" * 64})
    other = tmp_path / "other"
    shutil.copytree(made.bicubic, other)
    scorecard.write(
        other / "scorecard.json",
        card.model_copy(update={"results": results, "results_digest": scorecard.digest_of(results)}),
    )
    with pytest.raises(NotComparable):
        open_runs([made.input, other])
    with pytest.raises(UsageError):
        open_runs([])


def test_images_that_changed_since_the_run_are_not_shown_as_its_inputs(made: Made, tmp_path: Path) -> None:
    moved = tmp_path / "moved"
    shutil.copytree(made.root, moved)
    for path in (moved / "set").glob("*.png"):
        Image.fromarray(255 - np.asarray(Image.open(path))).save(path)
    manifest = moved / "input" / "manifest.json"
    manifest.write_text(manifest.read_text().replace(str(made.root / "set"), str(moved / "set")))
    page = render(open_runs([moved / "input"]))
    assert "not what the runs saw" in page and '"input image"' not in page
    assert "not what the runs saw" not in render(open_runs([made.input]))


def test_the_figure_and_its_table_are_written(made: Made, tmp_path: Path) -> None:
    out = tmp_path / "figures" / "one"
    runs = [str(made.input), str(made.bicubic)]
    ids = ["--ids", "noise-000001", "noise-000005"]
    end = ["--box", "0.1,0.2,0.3", "--metric", "psnr", "--baseline", "input", "-o", str(out)]
    assert main(["figure", *runs, *ids, *end]) == 0
    assert out.with_name("one.pdf").read_bytes().startswith(b"%PDF")
    with Image.open(out.with_name("one.png")) as picture:
        assert picture.width > 4 * 200 and len(np.unique(np.asarray(picture.convert("L")))) > 20
    change = [scorecard.read(folder).results.metrics["psnr"].value for folder in (made.bicubic, made.input)]
    assert change[0] is not None and change[1] is not None
    assert f"({change[0] - change[1]:+.3g})" in out.with_name("one.tex").read_text()


def test_a_figure_of_nothing_or_outside_is_one_sentence(made: Made, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["figure", str(made.input), "--ids", "nobody"]) == 2
    assert "no image 'nobody'" in capsys.readouterr().err
    with pytest.raises(UsageError, match="leaves the picture"):
        parse_box("0.9,0.9,0.3")
    with pytest.raises(UsageError, match="is no box"):
        parse_box("left")
    with pytest.raises(InputError, match="no run is named"):
        latex(open_runs([made.input]), "nobody")
