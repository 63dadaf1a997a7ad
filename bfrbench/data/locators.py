"""From a locator in a table to the image: a path, a member of an archive, or bytes that lie in the table itself.

Locators are written as Hugging Face `datasets` writes them (`zip://inner.png::/data/faces.zip`), so that its own
Image feature can open them too.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bfrbench.errors import InputError

if TYPE_CHECKING:
    from bfrbench.contracts import U8Image


def read_bytes(cell: Mapping[str, Any] | None, name: str) -> bytes:
    """The encoded bytes of an image cell ({"bytes", "path"}); `name` is for errors."""
    if cell is None:
        raise InputError(f"{name} has no image", "mend the table")
    if cell.get("bytes") is not None:
        data: bytes = cell["bytes"]
        return data
    locator = cell.get("path")
    if not locator:
        raise InputError(f"{name} has neither bytes nor a path", "mend the table")
    if locator.startswith(("zip://", "tar://")):
        from bfrbench.data.archive import read_member

        return read_member(locator)
    from bfrbench.imaging.read import read_bytes as read_file

    return read_file(Path(locator))


def read_cell(cell: Mapping[str, Any] | None, name: str) -> U8Image:
    """The image of a cell as upright 8-bit RGB."""
    from bfrbench.imaging.read import decode_image

    return decode_image(read_bytes(cell, name), (cell or {}).get("path") or name)
