"""Files, links and archives that are damaged or hostile."""

from __future__ import annotations

import gzip
import io
import os
import subprocess
import sys
import tarfile
import time
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from bfrbench.data import archive, open_dataset
from bfrbench.data.listing import walk
from bfrbench.errors import InputError
from tests.data.making import folder_of, png


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)  # type: ignore[arg-type]
    return out.getvalue()


def noise(mode: str, size: int) -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(0, 255, (size, size, 3), np.uint8)).convert(mode)


BAD = {
    "empty.png": (b"", "empty"),
    "text.png": (b"hello", "not an image"),
    "cut.jpg": (encoded(noise("RGB", 64), "JPEG")[:500], "damaged"),
    "one.png": (png(1, 1), "1×1"),
    "moving.gif": (
        encoded(noise("P", 8), "GIF", save_all=True, append_images=[noise("P", 9).resize((8, 8))]),
        "animated",
    ),
    "named.jpg": (png(1), "PNG"),
    "huge.png": (encoded(Image.new("1", (30_000, 30_000)), "PNG"), "pixels; the limit is"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_file_is_a_sentence_with_its_name_and_never_anothers_image(tmp_path: Path, name: str) -> None:
    root = folder_of(tmp_path, ["a.png", "z.png"])
    data, words = BAD[name]
    (root / name).write_bytes(data)
    opened = open_dataset(str(root))
    with pytest.raises(InputError, match=words) as caught:
        opened[Path(name).stem]
    assert name in caught.value.problem
    assert int(opened["z"].image[0, 0, 0]) == 1


def test_cmyk_is_read_as_colour(tmp_path: Path) -> None:
    (tmp_path / "ink.jpg").write_bytes(encoded(noise("CMYK", 32), "JPEG"))
    assert open_dataset(str(tmp_path))["ink"].image.shape == (32, 32, 3)


def test_a_loop_of_links_a_dangling_link_and_a_name_that_is_no_text_are_told(tmp_path: Path) -> None:
    root = folder_of(tmp_path / "set", ["deep/a.png"])
    (root / "deep" / "back").symlink_to(root)
    with pytest.raises(InputError, match="deep/back is a link to a folder that it lies in"):
        open_dataset(str(root))
    (root / "deep" / "back").unlink()
    (root / "gone.png").symlink_to(tmp_path / "nothing.png")
    with pytest.raises(InputError, match=r"gone\.png is a link to nothing"):
        open_dataset(str(root))
    (root / "gone.png").unlink()
    (root / "itself").symlink_to(root / "itself")
    with pytest.raises(InputError, match="itself is a link to nothing"):
        open_dataset(str(root))
    (root / "itself").unlink()
    Path(os.fsdecode(os.fsencode(root) + b"/\xff.png")).write_bytes(png(1))
    with pytest.raises(InputError, match="not UTF-8"):
        open_dataset(str(root))


def test_a_linked_folder_beside_the_set_is_followed(tmp_path: Path) -> None:
    other = folder_of(tmp_path / "other", ["b.png"])
    root = folder_of(tmp_path / "set", ["a.png"])
    (root / "more").symlink_to(other)
    assert list(open_dataset(str(root)).ids) == ["a", "b"]


def test_a_folder_is_listed_as_a_stream(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder_of(tmp_path, [f"{n}.png" for n in range(50)])
    scandir, given = os.scandir, 0

    @contextmanager
    def counted(path: str) -> Iterator[Iterator[os.DirEntry[str]]]:
        with scandir(path) as entries:
            yield one_by_one(entries)

    def one_by_one(entries: Iterator[os.DirEntry[str]]) -> Iterator[os.DirEntry[str]]:
        nonlocal given
        for entry in entries:
            given += 1
            yield entry

    monkeypatch.setattr(os, "scandir", counted)
    files = walk(tmp_path)
    next(files)
    assert given == 1
    assert 1 + sum(1 for _ in files) == given == 50


@pytest.mark.slow
def test_a_folder_of_very_many_files_is_listed_in_flat_memory_and_gives_its_first_image_at_once(tmp_path: Path) -> None:
    for number in range(count := 300_000):
        os.close(os.open(tmp_path / f"{number:07}.png", os.O_CREAT | os.O_WRONLY))
    (tmp_path / "0000000.png").write_bytes(png(1))
    lister = (
        "import resource, sys, time; from pathlib import Path; from bfrbench.data.listing import walk\n"
        "peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024\n"
        "files = walk(Path(sys.argv[1])); began = time.process_time(); next(files)\n"
        "first, before = time.process_time() - began, peak(); count = 1 + sum(1 for _ in files)\n"
        "print(count, peak() - before, first, time.process_time() - began)"
    )
    told = subprocess.run([sys.executable, "-c", lister, str(tmp_path)], capture_output=True, text=True, check=True)
    print(told.stdout)
    listed, grown, first, whole = map(float, told.stdout.split())
    assert listed == count
    assert grown < 8  # MB; the names alone are 20
    assert first < whole / 10


@pytest.mark.parametrize("name", ["../out.png", "/etc/out.png", "a/../../out.png", "..\\out.png"])
def test_a_member_that_leads_out_of_an_archive_is_refused_and_nothing_is_written(tmp_path: Path, name: str) -> None:
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as packed:
        packed.writestr(zipfile.ZipInfo(name), png(1))
    with tarfile.open(tmp_path / "x.tar", "w") as packed:
        info = tarfile.TarInfo(name)
        info.size = len(png(1))
        packed.addfile(info, io.BytesIO(png(1)))
    for path in (tmp_path / "x.zip", tmp_path / "x.tar"):
        with pytest.raises(InputError, match="leads out of it"):
            open_dataset(str(path))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["x.tar", "x.zip"]


def test_a_bomb_in_a_zip_and_in_a_compressed_tar_is_refused_before_it_grows(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.zip", "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("a.png", bytes(50_000_000))
    with tarfile.open(tmp_path / "x.tar.gz", "w:gz") as packed:
        info = tarfile.TarInfo("a.png")
        info.size = 50_000_000
        packed.addfile(info, io.BytesIO(bytes(50_000_000)))
    for name in ("x.zip", "x.tar.gz"):
        with pytest.raises(InputError, match="do not trust"):
            open_dataset(str(tmp_path / name))
    cached = Path(os.environ["BFRBENCH_HOME"]) / "cache" / "archives"
    assert [path for path in cached.glob("*") if path.suffix != ".lock"] == []


def test_a_zip_that_lies_about_a_size_a_cut_archive_and_a_linked_member_are_told(tmp_path: Path) -> None:
    root = folder_of(tmp_path / "set", ["a.png"])
    with zipfile.ZipFile(tmp_path / "x.zip", "w", zipfile.ZIP_DEFLATED) as packed:
        packed.write(root / "a.png", "a.png")
    raw = bytearray((tmp_path / "x.zip").read_bytes())
    where = raw.rfind(b"PK\x01\x02") + 24
    raw[where : where + 4] = (20).to_bytes(4, "little")
    (tmp_path / "x.zip").write_bytes(raw)
    with pytest.raises(InputError, match=r"a\.png"):
        open_dataset(str(tmp_path / "x.zip"))["a"]
    (tmp_path / "cut.zip").write_bytes(raw[:40])
    with pytest.raises(InputError, match="damaged or no zip"):
        open_dataset(str(tmp_path / "cut.zip"))
    with tarfile.open(tmp_path / "x.tar", "w") as packed:
        link = tarfile.TarInfo("b.png")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        packed.addfile(link)
    with pytest.raises(InputError, match="link or device"):
        open_dataset(str(tmp_path / "x.tar"))


def test_a_compressed_file_that_holds_no_archive_is_told_by_its_own_name(tmp_path: Path) -> None:
    for name, content in (("empty.tar.gz", b""), ("text.tar.gz", gzip.compress(b"no archive"))):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(InputError, match=rf"{name} holds no tar archive"):
            open_dataset(str(tmp_path / name))


def test_an_archive_that_was_replaced_under_way_is_told(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "x.tar", "w") as packed:
        packed.add(folder_of(tmp_path / "set", ["a.png"]), "set")
    opened = open_dataset(str(tmp_path / "x.tar"))
    (tmp_path / "x.tar").write_bytes(b"short")
    with pytest.raises(InputError, match="not of the size"):
        opened["a"]


def test_what_is_an_archive_is_known_by_its_name() -> None:
    assert archive.is_archive(Path("A.TAR.GZ"))
    assert not archive.is_archive(Path("a.gz"))


def test_a_compressed_archive_that_many_open_at_once_is_unpacked_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with tarfile.open(tmp_path / "x.tar.gz", "w:gz") as packed:
        for number in range(3):
            member, content = tarfile.TarInfo(f"{number}.png"), png(8, 8)
            member.size = len(content)
            packed.addfile(member, io.BytesIO(content))
    unpacked, unpack = [], archive._unpack

    def slowly(*about: Any) -> None:
        unpacked.append(about)
        time.sleep(0.2)
        unpack(*about)

    monkeypatch.setattr(archive, "_unpack", slowly)
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: len(list(archive.members(tmp_path / "x.tar.gz"))), range(4)))
    assert found == [3] * 4 and len(unpacked) == 1
