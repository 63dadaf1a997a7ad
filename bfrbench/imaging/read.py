"""Reading one image file. Its content is decoded by `picture`; many files at once are for `batch`."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from bfrbench.errors import InputError
from bfrbench.imaging.picture import WHITE, Picture, decode

if TYPE_CHECKING:
    from bfrbench.contracts import U8Image

SUFFIXES = frozenset(
    (
        *(".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".webp", ".tif", ".tiff"),
        *(".bmp", ".gif", ".ppm", ".pgm", ".pnm", ".jp2", ".j2k", ".avif"),
    )
)
"""Suffixes by which a folder is searched for images; an animation among them is then an error, not overlooked."""
MAX_BYTES = 2**30


def read_image(path: Path | str, *, background: tuple[int, int, int] = WHITE) -> U8Image:
    """Read a file as upright 8-bit RGB.

    Transparent parts show `background` (white: what a page behind the image would show; the colours stored
    under full transparency are arbitrary). Grey is repeated in three channels, 16 bits are rounded to 8, CMYK
    goes through its own profile. RGB values are taken as they stand, whatever profile they carry, as every
    published evaluation does. A file that cannot be used raises `InputError` with its name.
    """
    return read_picture(path).over(background)


def is_grey(path: Path) -> bool:
    """Whether the file stores one channel; a colour file of a grey scene is in colour."""
    from PIL import Image

    with Image.open(path) as opened:
        return opened.mode in ("1", "L", "LA", "I", "I;16", "F")


def read_picture(path: Path | str) -> Picture:
    """Read a file with its transparency, EXIF and ICC profile, for a tool that must give them back."""
    return decode(read_bytes(Path(path)), str(path))


def decode_image(data: bytes, name: str, *, background: tuple[int, int, int] = WHITE) -> U8Image:
    """The same for the bytes of a file that came from an archive or a table; `name` stands for it in errors."""
    return decode(data, name).over(background)


def read_bytes(path: Path) -> bytes:
    """The content of an ordinary file of a size that an image can have."""
    try:
        found = path.stat()
        if stat.S_ISDIR(found.st_mode):
            raise InputError(f"{path} is a folder", "name the image in it")
        if not stat.S_ISREG(found.st_mode):  # a pipe or a device would block or never end
            raise InputError(f"{path} is not an ordinary file", "give an image file")
        if found.st_size > MAX_BYTES:
            raise InputError(f"{path} is {found.st_size / 2**30:.1f} GiB", "the limit for an image file is 1 GiB")
        return path.read_bytes()
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise InputError(f"{path} cannot be read ({reason})", "check the path and its permissions") from error
    except ValueError as error:  # a NUL in the path
        raise InputError(f"{str(path)!r} is not a path ({error})", "check the path") from error


def images_in(folder: Path) -> list[Path]:
    """Every file of a folder whose suffix is that of an image, by name."""
    try:
        names = sorted(entry.name for entry in os.scandir(folder))
    except OSError as error:
        raise InputError(f"{folder} cannot be listed ({error.strerror})", "give a folder of images") from error
    return [folder / name for name in names if Path(name).suffix.lower() in SUFFIXES and not name.startswith(".")]
