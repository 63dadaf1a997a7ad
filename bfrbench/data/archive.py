"""Images inside zip and tar archives, read in place: nothing is unpacked, so no member can land anywhere.

A member whose name leads out of the archive, or that would grow out of proportion, is an error all the same:
an archive like that is damaged or hostile. A compressed tar has no random access and is first unpacked, as one
plain tar, into the user's cache.
"""

from __future__ import annotations

import gzip
import hashlib
import lzma
import os
import shutil
import tarfile
import zipfile
import zlib
from bz2 import BZ2File
from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import IO, Any

from bfrbench import atomic, places
from bfrbench.data.card import Ids
from bfrbench.data.listing import Listed, id_of
from bfrbench.errors import InputError
from bfrbench.imaging.read import MAX_BYTES, SUFFIXES

ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")
_MAX_RATIO = 100
"""How much larger than its archive an image may be: JPEG and PNG hardly shrink, a bomb does by a thousand."""
_OPENERS: dict[str, Any] = {".gz": gzip.open, ".tgz": gzip.open, ".bz2": BZ2File, ".xz": lzma.open}


def is_archive(path: Path) -> bool:
    return path.name.lower().endswith(ARCHIVES)


def members(path: Path, ids: Ids = "stem") -> Iterator[Listed]:
    """Every image in an archive."""
    scheme, plain = ("zip", path) if path.suffix.lower() == ".zip" else ("tar", _plain(path))
    for name in _index(scheme, str(plain)):
        pure = PurePosixPath(name)
        if pure.suffix.lower() in SUFFIXES and not any(part.startswith((".", "__MACOSX")) for part in pure.parts):
            yield Listed(id_of(name, ids, f"{name} in {path}"), f"{scheme}://{name}::{plain}")


def read_member(locator: str) -> bytes:
    """The bytes of a member."""
    scheme, rest = locator.split("://", 1)
    name, path = rest.rsplit("::", 1)
    try:
        place = _index(scheme, path)[name]
        if scheme == "zip":
            with _zip(path).open(name) as member:
                return _all(member.read(place[1] + 1), place[1], name, path)
        with Path(path).open("rb") as file:
            file.seek(place[0])
            return _all(file.read(place[1]), place[1], name, path)
    except KeyError as error:
        raise InputError(f"{path} no longer holds {name}", "open the set again") from error
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, OSError, EOFError) as error:
        raise InputError(f"{name} in {path} cannot be read ({error})", "replace the archive") from error


def _all(data: bytes, size: int, name: str, path: str) -> bytes:
    if len(data) != size:
        raise InputError(f"{name} in {path} is not of the size that the archive states", "replace the archive")
    return data


@lru_cache(maxsize=16)
def _index(scheme: str, path: str) -> dict[str, tuple[int, int]]:
    """Offset and size of each member by name; checked once, before anything is read."""
    try:
        return _zip_index(path) if scheme == "zip" else _tar_index(path)
    except (zipfile.BadZipFile, tarfile.TarError, EOFError, ValueError) as error:
        raise InputError(f"{path} is damaged or no {scheme} archive ({error})", "replace the archive") from error
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror or error})", "check the path") from error


def _zip(path: str) -> zipfile.ZipFile:
    return _opened(path, os.getpid())


@lru_cache(maxsize=16)
def _opened(path: str, process: int) -> zipfile.ZipFile:
    """One handle a process: a forked worker would share its position in the file."""
    return zipfile.ZipFile(path)


def _zip_index(path: str) -> dict[str, tuple[int, int]]:
    found: dict[str, tuple[int, int]] = {}
    for info in _zip(path).infolist():
        if info.is_dir():
            continue
        _check(info.filename, info.file_size, info.compress_size, path)
        if info.filename in found:
            raise InputError(f"{path} holds {info.filename} twice", "make the archive anew")
        found[info.filename] = (info.header_offset, info.file_size)
    return found


def _tar_index(path: str) -> dict[str, tuple[int, int]]:
    found: dict[str, tuple[int, int]] = {}
    with tarfile.open(path, "r:") as archive:
        for info in archive:
            if info.isdir():
                continue
            if not info.isfile():
                raise InputError(f"{info.name} in {path} is a link or device", "make the archive of plain files")
            _check(info.name, info.size, info.size, path)
            found[info.name] = (info.offset_data, info.size)
    return found


def _check(name: str, size: int, packed: int, path: str) -> None:
    pure = PurePosixPath(name.replace("\\", "/"))
    if pure.is_absolute() or ".." in pure.parts or ":" in pure.parts[0]:
        raise InputError(f"{path} holds {name!r}, which leads out of it", "do not trust this archive")
    if size > MAX_BYTES or size > _MAX_RATIO * max(packed, 1024):
        raise InputError(f"{name} in {path} unpacks to {size:,} bytes", "do not trust this archive")


def _plain(path: Path) -> Path:
    """The tar itself; a compressed one is unpacked once into the cache, bounded by what its size can explain."""
    opener = _OPENERS.get(path.suffix.lower())
    if opener is None:
        return path
    found = path.stat()
    key = hashlib.sha256(f"{path.absolute()}\0{found.st_size}\0{found.st_mtime_ns}".encode()).hexdigest()[:24]
    plain = places.home() / "cache" / "archives" / f"{key}.tar"
    if plain.is_file():
        return plain
    try:
        plain.parent.mkdir(parents=True, exist_ok=True)
        with atomic.alone(plain.with_suffix(".lock"), f"unpacking {path}"):  # many open it together
            if not plain.is_file():
                _unpack(path, opener, plain)
    except (EOFError, lzma.LZMAError, zlib.error, OSError) as error:
        raise InputError(f"{path} cannot be unpacked ({error})", "replace it, or free some disk") from error
    return plain


def _unpack(path: Path, opener: Callable[[Path], IO[bytes]], plain: Path) -> None:
    limit = min(_MAX_RATIO * path.stat().st_size, shutil.disk_usage(plain.parent).free - MAX_BYTES)
    with opener(path) as packed, atomic.landing(plain) as part, part.open("wb") as out:
        _copy(packed, out, limit, path)
        out.flush()
        if not tarfile.is_tarfile(part):
            raise InputError(f"{path} holds no tar archive", "replace it")


def _copy(packed: IO[bytes], out: IO[bytes], limit: int, path: Path) -> None:
    written = 0
    while chunk := packed.read(1 << 20):
        written += len(chunk)
        if written > limit:
            raise InputError(f"{path} unpacks to more than {limit:,} bytes", "free some disk, or do not trust it")
        out.write(chunk)
