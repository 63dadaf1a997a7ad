"""Opening sets by path and by card."""

from __future__ import annotations

import pickle
import re
import sys
import tarfile
import zipfile
from pathlib import Path
from types import ModuleType

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bfrbench.contracts import Sample
from bfrbench.data import open_dataset
from bfrbench.data.roots import register
from bfrbench.errors import BfrbenchError, InputError, PluginError, UnknownName, UsageError
from bfrbench.hookspecs import hookimpl
from bfrbench.plugins import PluginHost
from bfrbench.specs import DatasetSpec
from tests.data.making import folder_of, png, seen
from tests.shared_data import shared

NAMES = ["b.png", "a.png", "deep/c.png", "deep/er/d.png", "é.png"]
EXPECTED = {"b": 0, "a": 1, "c": 2, "d": 3, "é": 4}


@pytest.fixture
def places(tmp_path: Path) -> dict[str, Path]:
    """The same five images as a folder, a zip, tars and a parquet."""
    folder = folder_of(tmp_path / "folder", NAMES)
    (folder / "notes.txt").write_text("no image")
    (folder / ".hidden.png").write_bytes(b"no image")
    found = {"folder": folder, "zip": tmp_path / "x.zip", "parquet": tmp_path / "x.parquet"}
    with zipfile.ZipFile(found["zip"], "w", zipfile.ZIP_DEFLATED) as archive:
        for name in NAMES:
            archive.write(folder / name, f"inside/{name}")
    for kind in ("tar", "tar.gz", "tar.xz"):
        found[kind] = tmp_path / f"x.{kind}"
        with tarfile.open(found[kind], f"w:{kind.partition('.')[2]}") as archive:
            archive.add(folder, "inside")
    rows = [{"file_name": Path(n).stem, "image": {"bytes": (folder / n).read_bytes(), "path": None}} for n in NAMES]
    pq.write_table(pa.Table.from_pylist(rows), found["parquet"])
    return found


KINDS = ["folder", "zip", "tar", "tar.gz", "tar.xz", "parquet"]


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_place_gives_the_same_samples_as_a_map_and_as_a_stream(
    places: dict[str, Path], kind: str
) -> None:
    as_map = open_dataset(str(places[kind]))
    assert seen(as_map) == EXPECTED
    assert seen(open_dataset(str(places[kind]), streaming=True)) == EXPECTED
    assert len(as_map) == 5
    assert isinstance(as_map["c"], Sample)
    assert as_map["c"].image.tolist() == as_map[list(as_map.ids).index("c")].image.tolist()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("count", [1, 2, 4, 7])
def test_parts_cover_every_id_once(places: dict[str, Path], kind: str, count: int) -> None:
    data, stream = open_dataset(str(places[kind])), open_dataset(str(places[kind]), streaming=True)
    for whole in (data, stream):
        ids = [sample.id for index in range(count) for sample in whole.shard(index, count)]
        assert sorted(ids) == sorted(EXPECTED)


def test_ids_are_sorted_whatever_the_file_system_says(places: dict[str, Path]) -> None:
    assert list(open_dataset(str(places["folder"])).ids) == sorted(EXPECTED)


def test_a_set_can_be_sent_to_a_worker_process(places: dict[str, Path]) -> None:
    for kind in KINDS:
        assert seen(pickle.loads(pickle.dumps(open_dataset(str(places[kind]))))) == EXPECTED


def test_an_unknown_part_id_or_reference_is_told(places: dict[str, Path]) -> None:
    data = open_dataset(str(places["folder"]))
    with pytest.raises(UsageError, match="no part 2 of 2"):
        data.shard(2, 2)
    with pytest.raises(UnknownName, match="'z'"):
        data["z"]
    with pytest.raises(IndexError):
        data[5]
    with pytest.raises(UnknownName, match="lfw128"):
        open_dataset("lfw12")


def test_two_files_of_one_stem_are_an_error_that_names_both(tmp_path: Path) -> None:
    root = folder_of(tmp_path, ["one/x.png", "two/x.png"])
    for streaming in (False, True):
        with pytest.raises(InputError, match=r"one/x.png.*two/x.png|two/x.png.*one/x.png"):
            list(open_dataset(str(root), streaming=streaming))  # type: ignore[call-overload]
    assert list(open_dataset(str(root), ids="path").ids) == ["one/x", "two/x"]


def test_composed_and_decomposed_spellings_are_one_id(tmp_path: Path) -> None:
    root = folder_of(tmp_path, ["caf\u00e9.png", "cafe\u0301.jpg"])
    with pytest.raises(InputError, match="both have the id"):
        open_dataset(str(root))


def test_a_parquet_without_ids_asks_for_a_column(tmp_path: Path) -> None:
    pq.write_table(pa.table({"key": ["a"], "image": [{"bytes": png(3), "path": None}]}), tmp_path / "x.parquet")
    with pytest.raises(InputError, match="--column id=NAME"):
        open_dataset(str(tmp_path / "x.parquet"))
    assert seen(open_dataset(str(tmp_path / "x.parquet"), columns={"id": "key"})) == {"a": 3}


def test_a_parquet_with_one_id_twice_names_both_rows(tmp_path: Path) -> None:
    cell = {"bytes": png(3), "path": None}
    pq.write_table(pa.table({"id": ["a", "b", "a"], "image": [cell] * 3}), tmp_path / "x.parquet")
    with pytest.raises(InputError, match="rows 0 and 2"):
        open_dataset(str(tmp_path / "x.parquet"))
    with pytest.raises(InputError, match="rows 0 and 2"):
        list(open_dataset(str(tmp_path / "x.parquet"), streaming=True))


def test_a_row_without_image_is_told_by_its_id_and_a_table_without_rows_as_empty(tmp_path: Path) -> None:
    cell = pa.struct({"bytes": pa.binary(), "path": pa.string()})
    images = pa.array([{"bytes": png(3), "path": None}, None], cell)
    pq.write_table(pa.table({"id": ["a", "b"], "image": images}), tmp_path / "x.parquet")
    data = open_dataset(str(tmp_path / "x.parquet"))
    assert data["a"].image[0, 0, 0] == 3
    with pytest.raises(InputError, match="b has no image"):
        data["b"]
    pq.write_table(pa.table({"id": ["a"], "image": images[:1]}).slice(0, 0), tmp_path / "none.parquet")
    with pytest.raises(InputError, match="holds no image"):
        open_dataset(str(tmp_path / "none.parquet"))


def test_an_empty_folder_and_a_file_that_is_no_set_are_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no image"):
        open_dataset(str(tmp_path))
    (tmp_path / "one.png").write_bytes(png(1))
    with pytest.raises(InputError, match="neither a folder"):
        open_dataset(str(tmp_path / "one.png"))
    (tmp_path / "x.parquet").write_bytes(b"not a table")
    with pytest.raises(InputError, match="cannot be opened as a table"):
        open_dataset(str(tmp_path / "x.parquet"))


def test_a_card_whose_files_are_not_here_says_how_to_get_them() -> None:
    with pytest.raises(InputError, match="bfrbench datasets add lfw128 PATH"):
        open_dataset("lfw128:test")
    with pytest.raises(UsageError, match="lfw128:train or lfw128:test"):
        open_dataset("lfw128")
    with pytest.raises(UnknownName, match="'tset'"):
        open_dataset("lfw128:tset")


def test_lfw128_has_its_people_and_points_as_a_map_and_as_a_stream() -> None:
    register("lfw128", shared("lfw128"))
    data = open_dataset("lfw128:test")
    assert len(data) == 1232
    sample = data["Abdullah_Nasseef_0001"]
    assert (sample.identity, sample.image.shape) == ("Abdullah_Nasseef", (128, 128, 3))
    assert sample.points is not None
    assert sample.points.shape == (5, 2)
    assert sample.points[0, 0] < sample.points[1, 0]
    stream = {s.id: s for s in open_dataset("lfw128:test", streaming=True)}
    assert sorted(stream) == sorted(data.ids)
    for name in data.ids[:20]:
        assert (stream[name].image == data[name].image).all()
        assert (stream[name].points == data[name].points).all()


@pytest.mark.parametrize(("name", "count"), [("faces_hq", 125), ("faces_wild", 91)])
def test_real_folders_have_their_counts_and_equal_samples_both_ways(name: str, count: int) -> None:
    data = open_dataset(str(shared(name)))
    assert len(data) == len(set(data.ids)) == count
    part = list(open_dataset(str(shared(name)), streaming=True).shard(0, 8))
    for sample in part:
        assert (data[sample.id].image == sample.image).all()


def test_a_bad_image_is_an_error_with_its_name_when_it_is_read_and_not_before(tmp_path: Path) -> None:
    root = folder_of(tmp_path, ["a.png", "b.png"])
    (root / "b.png").write_bytes(png(1)[:40])
    data = open_dataset(str(root))
    assert data["a"].image.shape == (8, 8, 3)
    with pytest.raises(BfrbenchError, match=r"b\.png"):
        data["b"]


def test_a_plugins_set_opens_by_its_id_and_a_broken_one_names_its_plugin(places: dict[str, Path]) -> None:
    module = ModuleType("grey_faces")
    module.made = lambda: open_dataset(str(places["folder"]))  # type: ignore[attr-defined]
    module.broken = lambda: 1 / 0  # type: ignore[attr-defined]
    specs = [
        DatasetSpec(id=f"grey-{name}", target=f"grey_faces:{name}", summary="Grey squares.", licence="CC0-1.0")
        for name in ("made", "broken")
    ]
    module.bfrbench_datasets = hookimpl(lambda: specs)  # type: ignore[attr-defined]
    sys.modules["grey_faces"] = module
    try:
        host = PluginHost({"grey": module}, installed=False)
        assert seen(open_dataset("grey-made", host=host)) == EXPECTED
        with pytest.raises(PluginError, match="'grey'"):
            open_dataset("grey-broken", host=host)
        with pytest.raises(UnknownName, match="grey-made"):
            open_dataset("grey-mad", host=host)
    finally:
        del sys.modules["grey_faces"]


def test_a_split_of_a_path_is_refused_with_the_command_that_registers_the_folder(tmp_path: Path) -> None:
    (tmp_path / "test.parquet").write_bytes(b"")
    with pytest.raises(UsageError, match=rf"datasets add lfw128 {re.escape(str(tmp_path))}' and give lfw128:test"):
        open_dataset(f"{tmp_path}:test")
    with pytest.raises(UsageError, match="datasets add ID"):
        open_dataset(f"{tmp_path}:spring")
