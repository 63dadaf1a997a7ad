from __future__ import annotations

import json
import unicodedata
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bfrbench.cli import main
from bfrbench.data import open_dataset
from bfrbench.degradations import apply, load_recipe
from bfrbench.degradations.equality import compare, compare_folders, set_digest
from bfrbench.degradations.files import image_files
from bfrbench.degradations.folder import _images_a_shard, degrade_folder
from bfrbench.degradations.hugging_face import Degrade
from bfrbench.degradations.shard import IMAGES_A_SHARD, Job
from bfrbench.errors import InputError, UsageError
from tests.degradations.pictures import made_up


@pytest.fixture
def sharp(tmp_path: Path) -> Path:
    folder = tmp_path / "sharp"
    (folder / "more").mkdir(parents=True)
    for place in range(5):
        image = np.roll(made_up(48, 40), 5 * place, axis=1)
        Image.fromarray(image).save(folder / ("more" if place > 2 else "") / f"{place:02}.png")
    return folder


def _pictures(folder: Path) -> dict[str, np.ndarray]:
    return {name: np.asarray(Image.open(path).convert("RGB")) for name, path in image_files(folder).items()}


def test_a_folder_becomes_what_apply_makes_of_its_images(sharp: Path, tmp_path: Path) -> None:
    report = degrade_folder(Job(sharp, tmp_path / "lq", "gfpgan@128", seed=3))
    recipe = load_recipe("gfpgan@128")
    made = _pictures(tmp_path / "lq")
    assert sorted(made) == ["00", "01", "02", "03", "04"]
    for name, image in _pictures(sharp).items():
        assert (made[name] == apply(image, recipe.draw(3, name)).lq).all()
    assert report.made == 5
    assert report.digest == set_digest({row["id"]: row["sha256"] for row in report.rows})
    assert all(0 <= row["severity"] <= 1 and 5 < row["psnr"] < 60 for row in report.rows)


def test_running_again_goes_on_where_it_stopped(sharp: Path, tmp_path: Path) -> None:
    job = Job(sharp, tmp_path / "lq", "vqfr-1@128")
    first = degrade_folder(job)
    kept = {path: path.stat().st_mtime_ns for path in sorted((tmp_path / "lq").rglob("*.png"))}
    lost = tmp_path / "lq" / "01.png"
    lost.unlink()
    Image.fromarray(made_up(48, 40)).save(sharp / "new.png")
    again = degrade_folder(job)
    assert again.made == 2 and len(again.rows) == 6
    assert all(path.stat().st_mtime_ns == at for path, at in kept.items() if path != lost)
    assert {row["id"]: row["sha256"] for row in first.rows}.items() <= {
        r["id"]: r["sha256"] for r in again.rows
    }.items()
    assert degrade_folder(job).made == 0


def test_workers_and_formats_change_no_pixel(sharp: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import bfrbench.degradations.folder as folder

    monkeypatch.setattr(folder, "IMAGES_A_SHARD", 2)
    digests = {
        degrade_folder(Job(sharp, tmp_path / form, "codeformer-2@128", format=form), workers).digest  # type: ignore[arg-type]
        for form, workers in (("png", 1), ("webp", 2), ("parquet", 1))
    }
    assert len(digests) == 1


@pytest.mark.parametrize(("images", "workers", "most"), [(160, 2, 2), (7, 2, 2), (1, 8, 1), (1000, 3, 3), (100, 1, 1)])
def test_shards_are_small_enough_that_all_workers_end_together(images: int, workers: int, most: int) -> None:
    lot = _images_a_shard(images, workers)
    assert 1 <= lot <= IMAGES_A_SHARD
    loads = [0] * workers
    for first in range(0, images, lot):
        place = loads.index(min(loads))
        loads[place] += min(lot, images - first)
    assert sum(loads) == images and images / max(loads) > 0.85 * most


def test_a_changed_recipe_seed_or_format_does_not_mix_into_an_old_folder(sharp: Path, tmp_path: Path) -> None:
    out = tmp_path / "lq"
    degrade_folder(Job(sharp, out, "sr-x4"))
    for changed in (
        Job(sharp, out, "sr-x8"),
        Job(sharp, out, "sr-x4", seed=1),
        Job(sharp, out, "sr-x4", format="webp"),
    ):
        with pytest.raises(UsageError, match="other choices"):
            degrade_folder(changed)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "a.txt").write_text("mine")
    with pytest.raises(UsageError, match="did not make"):
        degrade_folder(Job(sharp, tmp_path / "mine", "sr-x4"))
    with pytest.raises(UsageError, match="another folder"):
        degrade_folder(Job(sharp, sharp, "sr-x4"))


def test_a_bad_image_stops_with_its_name_or_is_counted(sharp: Path, tmp_path: Path) -> None:
    (sharp / "cut.png").write_bytes((sharp / "00.png").read_bytes()[:200])
    with pytest.raises(InputError, match=r"cut\.png"):
        degrade_folder(Job(sharp, tmp_path / "lq", "sr-x4"))
    report = degrade_folder(Job(sharp, tmp_path / "lq", "sr-x4", skip_bad=True))
    assert len(report.rows) == 5 and len(report.bad) == 1 and "cut.png" in report.bad[0]


def test_two_files_with_one_id_and_empty_folders_are_errors(sharp: Path, tmp_path: Path) -> None:
    Image.fromarray(made_up(9, 9)).save(sharp / "00.jpg")
    with pytest.raises(InputError, match=r"00\.jpg and .*00\.png both have the id '00'"):
        degrade_folder(Job(sharp, tmp_path / "lq", "sr-x4"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="holds no image"):
        image_files(tmp_path / "empty")
    with pytest.raises(InputError, match="not a folder"):
        image_files(tmp_path / "nowhere")


def test_images_have_the_ids_that_data_sets_give_them(sharp: Path, tmp_path: Path) -> None:
    """So a set that is made by hand is the one that a board of the same recipe and seed sees."""
    Image.fromarray(made_up(48, 40)).save(sharp / "more" / unicodedata.normalize("NFD", "Zoë.bmp"))
    report = degrade_folder(Job(sharp, tmp_path / "lq", "sr-x4"))
    assert [row["id"] for row in report.rows] == list(open_dataset(str(sharp)).ids)
    Image.fromarray(made_up(48, 40)).save(sharp / "more" / "00.png")
    with pytest.raises(InputError, match="--ids path"):
        degrade_folder(Job(sharp, tmp_path / "lq", "sr-x4"))
    paths = degrade_folder(Job(sharp, tmp_path / "paths", "sr-x4", ids="path"))
    assert {"00", "more/00"} < {row["id"] for row in paths.rows}
    with pytest.raises(UsageError, match="other choices"):
        degrade_folder(Job(sharp / "more", tmp_path / "paths", "sr-x4"))


def test_a_recipe_for_another_size_is_told(sharp: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["degrade", str(sharp), str(tmp_path / "lq"), "--recipe", "gfpgan"]) == 0
    assert "gfpgan is meant for 512 px and '00' has 48: did you mean --recipe gfpgan@48?" in capsys.readouterr().err
    assert main(["degrade", str(sharp), str(tmp_path / "own"), "--recipe", "gfpgan@48"]) == 0
    assert main(["degrade", str(sharp), str(tmp_path / "factor"), "--recipe", "sr-x4"]) == 0  # which counts no pixels
    assert "note" not in capsys.readouterr().err


def test_a_folder_of_before_ids_were_written_down_goes_on_as_it_was_made(sharp: Path, tmp_path: Path) -> None:
    for ids, other in (("path", "stem"), ("stem", "path")):
        out = tmp_path / ids
        degrade_folder(Job(sharp, out, "sr-x4", ids=ids))  # type: ignore[arg-type]
        said = json.loads((out / "degradation.json").read_text())
        (out / "degradation.json").write_text(json.dumps({key: said[key] for key in said if key != "ids"}))
        assert degrade_folder(Job(sharp, out, "sr-x4", ids=ids)).made == 0  # type: ignore[arg-type]
        if ids == "path":
            with pytest.raises(UsageError, match="ids path → stem"):
                degrade_folder(Job(sharp, out, "sr-x4", ids=other))  # type: ignore[arg-type]


def test_a_set_inside_its_own_source_is_refused(sharp: Path) -> None:
    with pytest.raises(UsageError, match="would be one of them"):
        degrade_folder(Job(sharp, sharp / "lq", "sr-x4"))


def test_targets_are_written_where_a_recipe_changes_them(sharp: Path, tmp_path: Path) -> None:
    degrade_folder(Job(sharp, tmp_path / "lq", "gpen-code@128"))
    recipe = load_recipe("gpen-code@128")
    image = _pictures(sharp)["00"]
    assert sorted(_pictures(tmp_path / "lq")) == sorted(_pictures(sharp))  # targets are none of them
    assert (_pictures(tmp_path / "lq" / "targets")["00"] == apply(image, recipe.draw(0, "00")).gt).all()


def test_parquet_opens_in_datasets_as_images(sharp: Path, tmp_path: Path) -> None:
    import datasets

    degrade_folder(Job(sharp, tmp_path / "lq", "sr-x8", format="parquet"))
    opened = datasets.Dataset.from_parquet(
        [str(p) for p in (tmp_path / "lq").glob("*.parquet")], cache_dir=str(tmp_path / "c")
    )
    row = opened[0]
    image = _pictures(sharp)[row["id"]]
    assert (np.asarray(row["gt"]) == image).all()
    assert (np.asarray(row["lq"]) == apply(image, load_recipe("sr-x8").draw(0, row["id"])).lq).all()


def test_a_datasets_map_gives_the_same_pixels(sharp: Path) -> None:
    import datasets

    files = image_files(sharp)
    table = datasets.Dataset.from_dict({"id": list(files), "image": [str(path) for path in files.values()]})
    table = table.cast_column("image", datasets.Image())
    mapped = table.map(Degrade("gfpgan@128", seed=4))
    recipe = load_recipe("gfpgan@128")
    for row in mapped:
        expected = apply(np.asarray(row["image"]), recipe.draw(4, row["id"])).lq
        assert (np.asarray(row["lq"]) == expected).all()
        assert json.loads(row["draw"])[0]["name"] == "blur"


def test_given_images_are_taken_as_they_are(sharp: Path, tmp_path: Path) -> None:
    degrade_folder(Job(sharp, tmp_path / "released", "codeformer-2@128"))
    given = load_recipe(f"given:{tmp_path / 'released'}")
    image = _pictures(sharp)["00"]
    draw = given.draw(0, "00")
    assert (given.apply(image, draw).lq == _pictures(tmp_path / "released")["00"]).all()
    before = given.digest
    Image.fromarray(image).save(tmp_path / "released" / "00.png")
    with pytest.raises(InputError, match="not the file that was drawn"):
        given.apply(image, draw)
    assert load_recipe(f"given:{tmp_path / 'released'}").digest != before
    with pytest.raises(InputError, match="no image for 'zz'"):
        given.draw(0, "zz")


def test_given_images_are_found_by_path_or_by_a_name_of_their_own(sharp: Path, tmp_path: Path) -> None:
    Image.fromarray(made_up(48, 40)).save(sharp / "more" / "00.png")
    degrade_folder(Job(sharp, tmp_path / "lq", "sr-x4", ids="path"))
    given = load_recipe(f"given:{tmp_path / 'lq'}")
    assert given.draw(0, "more/00") != given.draw(0, "00")
    assert given.draw(0, "03").ops == given.draw(0, "more/03").ops
    (tmp_path / "lq" / "00.png").rename(tmp_path / "lq" / "again.png")
    (tmp_path / "lq" / "other").mkdir()
    Image.fromarray(made_up(48, 40)).save(tmp_path / "lq" / "other" / "00.png")
    with pytest.raises(InputError, match="are both named '00'"):
        load_recipe(f"given:{tmp_path / 'lq'}").draw(0, "00")


def test_sets_are_equal_near_or_different(tmp_path: Path) -> None:
    a = [np.full((100, 100, 3), 100 + place, np.uint8) for place in range(2)]
    b = [image.copy() for image in a]

    def verdict() -> str:
        return compare(zip("xy", a, b, strict=True)).verdict

    assert verdict() == "equal"
    b[0][:4, :5] += 1  # 20 of 20,000 pixels: exactly the share that is allowed
    assert verdict() == "near"
    b[1][0, 0, 0] += 1
    assert verdict() == "different"
    b[1][0, 0, 0] -= 1
    b[0][0, 0, 0] += 1
    assert verdict() == "different"
    assert compare([("x", a[0], a[0][:50])]).verdict == "different"
    assert compare([("x", a[0], a[0])], missing=["y"]).verdict == "different"
    assert compare([]).verdict == "different"


def test_the_command_line_from_list_to_compare(sharp: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["degradations", "list", "--json"]) == 0
    assert "gfpgan" in {row["name"] for row in json.loads(capsys.readouterr().out)}
    assert main(["degradations", "show", "gfpgan@256", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["reference_size"] == 256
    assert main(["degradations", "show", "gfpgan"]) == 0
    assert "sigma" in capsys.readouterr().out
    assert main(["degradations", "show", "gfpgan@128", "--toml"]) == 0
    (tmp_path / "own.toml").write_text(capsys.readouterr().out)
    common = ["degrade", str(sharp), "--seed", "2", "--json"]
    tables = [tmp_path / name for name in ("a.parquet", "b.parquet")]
    for recipe, out, table in (("gfpgan@128", "a", tables[0]), (str(tmp_path / "own.toml"), "b", tables[1])):
        assert main([*common[:2], str(tmp_path / out), *common[2:], "--recipe", recipe, "--draws", str(table)]) == 0
    assert main([*common[:2], str(tmp_path / "c"), *common[2:], "--recipe", f"draws:{tables[0]}"]) == 0
    capsys.readouterr()
    for other in ("b", "c"):
        assert main(["degradations", "compare", str(tmp_path / "a"), str(tmp_path / other), "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["verdict"] == "equal"
    assert compare_folders(tmp_path / "a", sharp).verdict == "different"
    assert main(["degradations", "compare", str(tmp_path / "a"), str(sharp)]) == 3


def test_the_branches_of_a_choice_are_shown_step_by_step(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["degradations", "show", "lite"]) == 0
    shown = capsys.readouterr().out
    steps = [line.split()[0] for line in shown.split("seed 0")[0].splitlines() if line.startswith(" ") and line.strip()]
    inner = ["branch", "blur", "resize", "gaussian", "jpeg"]
    assert [step for step in steps if step in {*inner, "one-of"}] == ["one-of", *inner, *inner, "resize"]


def test_the_preview_shows_each_recipe_in_a_row(sharp: Path, tmp_path: Path) -> None:
    out = tmp_path / "preview.png"
    told = ["degrade", str(sharp), str(out), "--preview", "--recipe", "gfpgan@128", "--recipe", "sr-x8"]
    assert main(told) == 0
    sheet = np.asarray(Image.open(out).convert("RGB"))
    assert sheet.shape == (2 * 178, 6 * 160, 3)
    assert np.abs(sheet[18:178, 160:320].astype(int) - sheet[18:178, 800:960]).mean() > 2


def test_parsing_maps_become_palettes_through_the_command_line(sharp: Path, tmp_path: Path) -> None:
    labels = (made_up(48, 40)[..., 0] % 19).astype(np.uint8)
    for name in image_files(sharp):
        (tmp_path / "labels" / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(labels).save(tmp_path / "labels" / f"{name}.png")
    told = ["degrade", str(sharp), str(tmp_path / "out"), "--recipe", "palette", "--labels", str(tmp_path / "labels")]
    assert main(told) == 0
    assert len(np.unique(_pictures(tmp_path / "out")["00"].reshape(-1, 3), axis=0)) == len(np.unique(labels))
    assert main(["degrade", str(sharp), str(tmp_path / "other"), "--recipe", "palette"]) == 2


@pytest.mark.parametrize(
    "told",
    [
        [],
        ["--recipe", "gfpgn"],
        ["--recipe", "a", "--recipe", "b"],
        ["--recipe", "gfpgan", "--workers", "0"],
        ["--recipe", "gfpgan", "--format", "bmp"],
        ["--recipe", "draws:nowhere.parquet"],
    ],
)
def test_a_wrong_command_line_is_a_sentence_and_exit_2(
    told: list[str], sharp: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["degrade", str(sharp), str(tmp_path / "out"), *told]) == 2
    error = capsys.readouterr().err
    assert error.strip() and "Traceback" not in error
    assert not (tmp_path / "out").exists()
