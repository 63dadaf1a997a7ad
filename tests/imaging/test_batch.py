"""Many images are read in order, within a bound on memory, and nothing is skipped unasked."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bfrbench.errors import InputError
from bfrbench.imaging import batch
from bfrbench.imaging.batch import ImageReader
from bfrbench.imaging.convert import from_tensor, to_tensor


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for i in range(12):
        Image.fromarray(np.full((32, 40, 3), i, np.uint8)).save(tmp_path / f"{i:02}.png")
    return tmp_path


def test_images_come_in_the_order_they_were_asked_for(folder: Path) -> None:
    paths = sorted(folder.glob("*.png"), reverse=True)
    read = list(ImageReader(paths, workers=2))
    assert [path for path, _ in read] == paths
    assert [int(image[0, 0, 0]) for _, image in read] == list(range(11, -1, -1))


def test_a_bad_file_ends_the_reading_with_its_name(folder: Path) -> None:
    (folder / "05.png").write_bytes(b"\x89PNG\r\n\x1a\n and no more")
    with pytest.raises(InputError, match=r"05\.png"):
        list(ImageReader(sorted(folder.glob("*.png")), workers=2))


def test_bad_files_are_skipped_and_counted_only_when_asked(folder: Path) -> None:
    (folder / "05.png").write_bytes(b"")
    whole = (folder / "07.png").read_bytes()
    (folder / "07.png").write_bytes(whole[: len(whole) // 2])
    reader = ImageReader(sorted(folder.glob("*.png")), workers=2, skip_unreadable=True)
    assert len(list(reader)) == 10
    assert [("05.png" in str(error), "07.png" in str(error)) for error in reader.skipped] == [
        (True, False),
        (False, True),
    ]


def test_no_more_is_under_way_than_the_memory_allows(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    under_way, most = 0, 0
    submit, result = batch._Pool.submit, batch._Pool.result

    def counted(self: batch._Pool, path: Path) -> object:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        return submit(self, path)

    def taken(self: batch._Pool, path: Path, future: object) -> object:
        nonlocal under_way
        under_way -= 1
        return result(self, path, future)

    monkeypatch.setattr(batch._Pool, "submit", counted)
    monkeypatch.setattr(batch._Pool, "result", taken)
    for i in range(4):
        Image.fromarray(np.zeros((300, 300, 3), np.uint8)).save(folder / f"big{i}.png")
    paths = sorted(folder.glob("big*.png"))
    assert len(list(ImageReader(paths, workers=2, memory_mb=4))) == 4
    assert most == 2  # each may take 1.5 MB


def test_an_image_larger_than_the_bound_is_named(folder: Path) -> None:
    Image.fromarray(np.zeros((600, 600, 3), np.uint8)).save(folder / "big.png")
    with pytest.raises(InputError, match=r"big\.png of 600×600 needs 6 MB"):
        list(ImageReader([folder / "big.png"], workers=1, memory_mb=4))


def test_levels_survive_the_way_to_a_tensor_and_back() -> None:
    image = np.arange(256 * 3, dtype=np.uint32).reshape(16, 16, 3).astype(np.uint8)
    assert np.array_equal(from_tensor(to_tensor(image)), image)
    assert int(from_tensor(to_tensor(image) * 0 + 0.4999)[0, 0, 0]) == 127  # 127.47 rounds down
    assert int(from_tensor(to_tensor(image) * 0 + 0.5)[0, 0, 0]) == 128  # 127.5 rounds up, never truncates
