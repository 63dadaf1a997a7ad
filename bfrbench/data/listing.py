"""Which files make up a folder: listed as a stream, without opening any, each with a stable id.

Only names are looked at. Symlinked folders are followed once; a loop, a dangling link, two files of one id and
a name that is not text are errors that name them.
"""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path, PurePosixPath

from bfrbench.data.card import Ids
from bfrbench.errors import InputError

_IGNORED = ("__MACOSX", "lost+found")


@dataclass(frozen=True, slots=True)
class Listed:
    """An image that was found: its id, and where it is (see `locators`)."""

    id: str
    locator: str


def walk(folder: Path, ids: Ids = "stem") -> Iterator[Listed]:
    """Every image under a folder, in the order of the file system, one at a time."""
    from bfrbench.imaging.read import SUFFIXES

    start = folder.stat()
    pending: list[tuple[str, str, tuple[tuple[int, int], ...]]] = [(str(folder), "", ((start.st_dev, start.st_ino),))]
    while pending:
        path, inside, above = pending.pop()
        for entry in _scan(path):
            if entry.name.startswith(".") or entry.name in _IGNORED:
                continue
            if _is_folder(entry):
                pending.append((entry.path, f"{inside}{entry.name}/", _deeper(entry, above)))
            elif os.path.splitext(entry.name)[1].lower() in SUFFIXES:  # noqa: PTH122 - a Path per file is 4 times slower
                if entry.is_symlink() and not entry.is_file():
                    raise _dangling(entry)
                yield Listed(id_of(inside + entry.name, ids, entry.path), entry.path)


def listed(files: Iterable[Listed], where: str, ids: Ids = "stem") -> list[Listed]:
    """All of them in the order of their ids, each id once."""
    found = sorted(files, key=lambda file: (file.id, file.locator))
    for one, other in pairwise(found):
        if one.id == other.id:
            raise duplicate(one.id, one.locator, other.locator, ids)
    if not found:
        raise InputError(f"{where} holds no image", "give a folder, archive or table of images")
    return found


def unique(files: Iterable[Listed], ids: Ids = "stem") -> Iterator[Listed]:
    """The stream as it comes, with the same check."""
    seen: dict[str, str] = {}
    for file in files:
        if (other := seen.setdefault(file.id, file.locator)) != file.locator:
            raise duplicate(file.id, other, file.locator, ids)
        yield file


def id_of(name: str, ids: Ids, where: str) -> str:
    """A file's id from its path inside the set; composed Unicode, so that macOS and Linux agree."""
    try:
        name.encode()
    except UnicodeEncodeError as error:
        raise InputError(f"{where!r} has a name that is not UTF-8", "rename the file") from error
    bare = str(PurePosixPath(name).with_suffix("")) if ids == "path" else PurePosixPath(name).stem
    return unicodedata.normalize("NFC", bare) if not bare.isascii() else bare


def duplicate(name: str, one: str, other: str, ids: Ids) -> InputError:
    other_ids = ", or take paths as ids (--ids path, where a command has it)" if ids == "stem" else ""
    remedy = f"rename or remove one{other_ids}"
    return InputError(f"{one} and {other} both have the id {name!r}", remedy)


def _scan(path: str) -> Iterator[os.DirEntry[str]]:
    try:
        with os.scandir(path) as entries:
            yield from entries
    except OSError as error:
        raise InputError(
            f"{path} cannot be listed ({error.strerror})", "check the folder and its permissions"
        ) from error


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError as error:  # a link that leads to itself
        raise _dangling(entry) from error


def _dangling(entry: os.DirEntry[str]) -> InputError:
    return InputError(f"{entry.path} is a link to nothing", "remove it or mend its target")


def _deeper(entry: os.DirEntry[str], above: tuple[tuple[int, int], ...]) -> tuple[tuple[int, int], ...]:
    """The folders above the one entered now; entering one of them again is a loop."""
    found = entry.stat()
    here = (found.st_dev, found.st_ino)
    if here in above:
        raise InputError(f"{entry.path} is a link to a folder that it lies in", "remove the link")
    return (*above, here)
