"""Cards, and where sets lie."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bfrbench import config, places
from bfrbench.cli import main
from bfrbench.data import cards, open_dataset
from bfrbench.data.card import DataCard
from bfrbench.data.roots import forget, register, registered
from bfrbench.errors import ConfigError, InputError, NotComparable, UnknownName, UsageError
from tests.data.making import folder_of, seen

WANTED = {
    "celeba-test": 3000,
    "ffhq": 70_000,
    "ffhq-val": 10_000,
    "lfw-test": 1711,
    "webphoto-test": 407,
    "celebchild-test": 180,
    "celebadult-test": 180,
    "wider-test": 970,
    "celeba": 202_599,
    "celeba-hq": 30_000,
    "aflw2000-3d": 2000,
    "cfp-fp": 7000,
    "lfw128": 11_987,
    "studio": None,
}


def test_every_set_of_the_field_has_a_card_with_its_count() -> None:
    assert {name: card.count for name, card in cards().items()} == WANTED


@pytest.mark.parametrize("name", WANTED)
def test_a_card_says_where_it_comes_from_under_what_licence_and_how_to_get_it(name: str) -> None:
    card = cards()[name]
    assert len(card.by_hand) > 20
    assert card.licence
    assert card.homepage


def test_a_card_says_what_was_not_checked_unless_the_set_was_at_hand() -> None:
    assert {name for name, card in cards().items() if not card.unverified} == {"lfw128", "studio"}


def test_the_two_counts_of_webphoto_are_both_on_its_card() -> None:
    assert [other.count for other in cards()["webphoto-test"].other_counts] == [469]


def test_a_set_knows_whose_images_it_holds() -> None:
    assert "ffhq" in cards()["ffhq-val"].sources
    assert "celeba-hq" in cards()["celeba-test"].sources
    assert any(model.model == "GPEN" for model in cards()["ffhq"].trained_by)


def test_the_boards_that_ship_name_sets_that_exist() -> None:
    known = {*cards(), *(name for card in cards().values() for name in card.rendered)}
    for path in places.carried("leaderboards").glob("*/board.toml"):
        name, _, view = str(config.read_toml(path)["dataset"]).partition(":")
        assert name in known, path
        assert not view or view.isdecimal() or view in cards()[name].views, path


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"licence": None}, "licence"),
        ({"size": 0}, "size"),
        ({"sise": 512}, "did you mean size"),
        ({"identity": "(.*)"}, "group named identity"),
        ({"numbered": {"last": 3, "width": 2}}, "numbered"),
    ],
)
def test_a_wrong_card_is_told_by_key(change: dict[str, object], word: str) -> None:
    good = cards()["lfw-test"].model_dump(mode="json")
    data = {key: value for key, value in {**good, **change}.items() if value is not None}
    with pytest.raises(ConfigError, match=word):
        config.parse(data, DataCard, where="x.toml")


def test_a_registered_set_opens_by_its_id_with_identities(tmp_path: Path) -> None:
    register("lfw-test", folder_of(tmp_path / "lfw", ["Ann_Bee_0001_00.png", "Cy_0002_00.png"]))
    data = open_dataset("lfw-test")
    assert [sample.identity for sample in data] == ["Ann_Bee", "Cy"]
    assert data.card is cards()["lfw-test"]
    assert forget("lfw-test")
    with pytest.raises(InputError, match="datasets add lfw-test PATH"):
        open_dataset("lfw-test")


def test_a_folder_of_the_sets_name_in_the_home_needs_no_registration() -> None:
    folder_of(places.home() / "datasets" / "wider-test", ["0001.png"])
    assert list(open_dataset("wider-test").ids) == ["0001"]


def test_profiles_and_frontals_of_one_person_have_ids_of_their_own(tmp_path: Path) -> None:
    names = ["001/frontal/01.jpg", "001/profile/01.jpg", "002/frontal/01.jpg"]
    register("cfp-fp", folder_of(tmp_path, [name.replace("jpg", "png") for name in names]))
    data = open_dataset("cfp-fp")
    assert {sample.id: sample.identity for sample in data} == {
        "001/frontal/01": "001",
        "001/profile/01": "001",
        "002/frontal/01": "002",
    }


def test_given_partners_are_paired_by_id_and_an_unpaired_one_is_named(tmp_path: Path) -> None:
    register("celeba-test", folder_of(tmp_path / "hq", ["a.png", "b.png"]))
    register("celeba-test", folder_of(tmp_path / "lq", ["b.png", "a.png"]), given="vqfr")
    given = list(open_dataset("celeba-test:vqfr"))
    assert seen(given) == {"a": 1, "b": 0}
    assert [int(sample.gt[0, 0, 0]) for sample in given if sample.gt is not None] == [0, 1]
    folder_of(tmp_path / "lq", ["c.png"])
    with pytest.raises(NotComparable, match=r"1 no ground truth.*first: c"):
        open_dataset("celeba-test:vqfr")
    with pytest.raises(UnknownName, match="vqfr"):
        register("celeba-test", tmp_path, given="vqrf")


def test_the_last_ten_thousand_of_ffhq_are_taken_from_ffhq_and_a_missing_one_is_named(tmp_path: Path) -> None:
    root = folder_of(tmp_path, ["00000/00007.png", "60000/60000.png"])
    for number in range(60_001, 70_000):
        (root / "60000" / f"{number}.png").hardlink_to(root / "60000" / "60000.png")
    register("ffhq", root)
    data = open_dataset("ffhq-val")
    assert (len(data), data.ids[0], data.ids[-1], data.ref) == (10_000, "60000", "69999", "ffhq-val")
    assert data["60003"].image.shape == (8, 8, 3)
    (root / "60000" / "61234.png").unlink()
    with pytest.raises(InputError, match="61234"):
        open_dataset("ffhq-val")


def test_a_place_that_is_gone_and_a_damaged_registration_are_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="does not exist"):
        register("ffhq", tmp_path / "nowhere")
    register("ffhq", folder_of(tmp_path / "x", ["1.png"]))
    (tmp_path / "x").rename(tmp_path / "y")
    with pytest.raises(InputError, match="which is gone"):
        open_dataset("ffhq")
    (places.home() / "datasets" / "ffhq.json").write_text("{")
    with pytest.raises(InputError, match="add ffhq PATH"):
        registered("ffhq")


def test_studio_needs_nothing_and_comes_in_any_size() -> None:
    data = open_dataset("studio-ci:64")
    assert len(data) == 64
    assert data[0].image.shape == (64, 64, 3)
    first = next(iter(open_dataset("studio-ci:64", streaming=True)))
    again = data[first.id]
    assert (first.image == again.image).all()
    assert first.pose is not None
    assert again.pose is not None
    assert first.pose.yaw == pytest.approx(again.pose.yaw, abs=1e-4)
    with pytest.raises(UsageError, match="no size"):
        open_dataset("studio-ci:big")


def test_the_command_line_adds_lists_shows_and_removes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = folder_of(tmp_path, ["0001.png"], size=512)
    assert main(["datasets", "add", "wider-test", str(root)]) == 0
    capsys.readouterr()
    assert main(["datasets", "list", "--json"]) == 0
    rows = {row["id"]: row for row in json.loads(capsys.readouterr().out)}
    assert rows["wider-test"]["here"] == str(root)
    assert rows["studio"]["here"] == "rendered"
    assert main(["datasets", "show", "wider-test", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["found"]["images"] == 1
    assert main(["datasets", "show", "ffhq", "--json"]) == 0
    assert "found" not in json.loads(capsys.readouterr().out)
    assert main(["datasets", "remove", "wider-test"]) == 0
    assert main(["datasets", "show", "ffhk"]) == 2
    assert "did you mean ffhq" in capsys.readouterr().err
    assert seen(open_dataset(str(root))) == {"0001": 0}


def test_what_has_no_files_of_its_own_is_not_verified(capsys: pytest.CaptureFixture[str]) -> None:
    for name, told in (("studio", "rendered"), ("studio-ci", "rendered"), ("lfw128:test", "datasets verify lfw128'")):
        assert main(["datasets", "verify", name]) == 2
        assert told in capsys.readouterr().err


def test_what_a_licence_forbids_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["datasets", "show", "celeba-test"]) == 0
    assert "redistributable   no" in capsys.readouterr().out


def test_sentences_of_a_card_stand_in_lines_of_their_own(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["datasets", "show", "aflw2000-3d"]) == 0
    assert "., " not in capsys.readouterr().out
