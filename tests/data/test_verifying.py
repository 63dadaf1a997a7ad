"""Telling what is wrong with a set, file by file."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bfrbench import config
from bfrbench.cli import main
from bfrbench.data import open_dataset
from bfrbench.data.card import DataCard, cards
from bfrbench.data.roots import register
from bfrbench.data.verifying import Report, record, verify
from bfrbench.errors import InputError
from tests.data.making import folder_of, png
from tests.shared_data import shared

NAMES = [f"{number:03}.png" for number in range(6)]


def small_card(**change: object) -> DataCard:
    """The card of a set of six images of 16 pixels."""
    data = {**cards()["wider-test"].model_dump(mode="json"), "count": 6, "size": 16, **change}
    return config.parse({key: value for key, value in data.items() if value is not None}, DataCard, where="card")


def told(report: Report) -> dict[str, str]:
    return {finding.name: finding.kind for finding in report.findings}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return folder_of(tmp_path / "set", NAMES, size=16)


def test_a_whole_set_passes_by_count_by_numbers_and_by_manifest(root: Path) -> None:
    assert verify(root, small_card()).good
    numbered = small_card(numbered={"last": 5, "width": 3})
    assert (verify(root, numbered).good, verify(root, numbered).known_by) == (True, "numbers")
    record(verify(root))
    assert (verify(root, numbered).good, verify(root, numbered).known_by) == (True, "manifest")


def spoil(root: Path) -> None:
    """One missing, one extra, one renamed, one corrupt, one of another size, one altered."""
    (root / "000.png").unlink()
    (root / "new.png").write_bytes(png(77, 16))
    (root / "001.png").rename(root / "one.png")
    (root / "002.png").write_bytes((root / "002.png").read_bytes()[:45])
    (root / "003.png").write_bytes(png(3, 15))
    (root / "004.png").write_bytes(png(99, 16))


def test_every_fault_is_told_apart_file_by_file_with_a_manifest(root: Path) -> None:
    record(verify(root))
    spoil(root)
    report = verify(root, small_card())
    kinds = [(finding.name, finding.kind) for finding in report.findings]
    assert sorted(kinds) == [
        ("000", "missing"),
        ("001", "renamed"),
        ("002", "corrupt"),
        ("003", "changed"),
        ("003", "size"),
        ("004", "changed"),
        ("new", "extra"),
    ]
    assert "one" in next(finding.says for finding in report.findings if finding.kind == "renamed")


def test_without_a_manifest_numbers_name_what_is_missing(root: Path) -> None:
    spoil(root)
    assert told(verify(root, small_card(numbered={"last": 5, "width": 3}))) == {
        "000": "missing",
        "001": "missing",
        "one": "extra",
        "new": "extra",
        "002": "corrupt",
        "003": "size",
    }


def test_with_a_count_alone_the_count_is_told(root: Path) -> None:
    (root / "000.png").unlink()
    report = verify(root, small_card())
    assert [finding.kind for finding in report.findings] == ["count"]
    assert "5 images, not 6" in report.findings[0].says
    assert verify(root, small_card(other_counts=[{"count": 5, "where": "another copy"}])).good


def test_two_files_of_one_id_are_told_with_both_paths(root: Path) -> None:
    folder_of(root / "deeper", ["000.png"], size=16)
    finding = verify(root, small_card()).findings[0]
    assert finding.kind == "duplicate"
    assert "deeper/000.png" in finding.says


def test_a_copy_at_another_size_passes_when_that_size_is_named(root: Path) -> None:
    assert len(verify(root, small_card(size=32)).findings) == 6
    assert verify(root, small_card(size=32), size=16).good


def test_a_set_with_a_broken_image_cannot_be_recorded_as_right(root: Path) -> None:
    (root / "002.png").write_bytes(b"")
    with pytest.raises(InputError, match=r"002\.png is empty"):
        record(verify(root))


def test_a_place_that_does_not_exist_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist"):
        verify(tmp_path / "nowhere")


def test_an_archive_is_verified_in_place(root: Path) -> None:
    archive = Path(shutil.make_archive(str(root), "zip", root))
    assert verify(archive, small_card()).good


def test_rows_of_a_table_are_verified_too(tmp_path: Path) -> None:
    rows = [{"id": f"{n}", "image": {"bytes": png(n, 16) if n else b"broken", "path": None}} for n in range(6)]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "x.parquet")
    assert told(verify(tmp_path / "x.parquet", small_card())) == {"0": "corrupt"}


def test_rows_without_image_or_id_and_an_id_of_two_rows_are_told_and_hide_no_other(tmp_path: Path) -> None:
    names = ["a", "b", "b", None, "c", "d"]
    rows = [{"id": name, "image": {"bytes": png(1, 16), "path": None} if name != "c" else None} for name in names]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "x.parquet")
    report = verify(tmp_path / "x.parquet")
    assert [(finding.kind, finding.name) for finding in report.findings] == [
        ("duplicate", "b"),
        ("corrupt", "x.parquet"),
        ("corrupt", "c"),
    ]
    assert "row 3 of" in report.findings[1].says
    assert [image.id for image in report.seen] == ["a", "b", "c", "d"]


def test_a_table_whose_pages_are_damaged_is_told_when_it_streams(tmp_path: Path) -> None:
    rows = [{"id": f"{n}", "image": {"bytes": png(n, 16), "path": None}} for n in range(6)]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "x.parquet", compression="none")
    start = pq.read_metadata(tmp_path / "x.parquet").row_group(0).column(0).data_page_offset
    data = bytearray((tmp_path / "x.parquet").read_bytes())
    data[start : start + 8] = bytes(byte ^ 0x5A for byte in data[start : start + 8])
    (tmp_path / "x.parquet").write_bytes(data)
    assert told(verify(tmp_path / "x.parquet")) == {"x.parquet": "corrupt"}
    with pytest.raises(InputError, match="cannot be opened as a table"):
        list(open_dataset(str(tmp_path / "x.parquet"), streaming=True))


def test_a_place_without_an_image_is_not_called_whole(tmp_path: Path) -> None:
    assert told(verify(tmp_path)) == {"": "count"}


def test_lfw128_is_the_file_that_its_card_describes_and_a_flipped_bit_is_found(tmp_path: Path) -> None:
    (tmp_path / "test.parquet").symlink_to(shared("lfw128", "test.parquet"))
    whole = cards()["lfw128"]
    card = whole.model_copy(update={"splits": {"test": whole.splits["test"]}, "count": 1232})
    assert verify(tmp_path, card).good
    data = bytearray((tmp_path / "test.parquet").read_bytes())
    data[len(data) // 2] ^= 1
    (tmp_path / "test.parquet").unlink()
    (tmp_path / "test.parquet").write_bytes(data)
    assert told(verify(tmp_path, card))["test.parquet"] == "digest"
    (tmp_path / "test.parquet").unlink()
    assert told(verify(tmp_path, card))["test.parquet"] == "missing"


def test_the_command_ends_with_2_when_something_is_wrong(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["datasets", "verify", str(root), "--record"]) == 0
    spoil(root)
    capsys.readouterr()
    assert main(["datasets", "verify", str(root), "--json"]) == 2
    found = json.loads(capsys.readouterr().out)
    assert {item["kind"] for item in found["findings"]} == {"missing", "renamed", "corrupt", "changed", "extra"}
    register("wider-test", root)
    assert main(["datasets", "verify", "wider-test"]) == 2
    assert "not 512×512" in capsys.readouterr().out
