"""Parquet files that know when they were altered: a digest of every byte lies inside, and they land whole.

What the columns mean is the business of `rowtable`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from bfrbench import atomic

if TYPE_CHECKING:
    import pyarrow as pa

_MARK = b"bfrbench-seal:"
_BLANK = b"0" * 64
_KEY = b"bfrbench.seal"
_MAGIC = b"PAR1"
_CHUNK = 1 << 20


class Damaged(Exception):
    """Why a sealed file cannot be believed; its text ends the sentence "FILE is damaged: ..."."""


def write(path: Path, tables: Iterable[pa.Table], schema: pa.Schema) -> None:
    """Write tables of one schema, one after the other, with the seal."""
    import pyarrow.parquet as pq

    sealed = schema.with_metadata({**(schema.metadata or {}), _KEY: _MARK + _BLANK})
    with atomic.landing(path) as part:
        with pq.ParquetWriter(part, sealed, compression="zstd", use_dictionary=False) as writer:
            for table in tables:
                writer.write_table(table.replace_schema_metadata(sealed.metadata))
        with part.open("r+b") as file:
            position = _position(file)
            digest = _digest(file, position)
            file.seek(position)
            file.write(digest)


def verify(path: Path) -> None:
    """Raise `Damaged` when one bit is not as it was written."""
    with path.open("rb") as file:
        position = _position(file)
        file.seek(position)
        if file.read(len(_BLANK)) != _digest(file, position):
            raise Damaged("its contents do not have the digest that was written with them")


def read(path: Path, columns: Sequence[str] | None = None) -> pa.Table:
    """Read a sealed table, or some of its columns; raises `Damaged`."""
    import pyarrow.parquet as pq

    verify(path)
    # By its path: Arrow's threads may let go of a Python file after Python has ended, which aborts the process.
    with pq.ParquetFile(path) as file:
        table = file.read(columns=list(columns) if columns is not None else None)
    metadata = {key: value for key, value in (table.schema.metadata or {}).items() if key != _KEY}
    return table.replace_schema_metadata(metadata)


def _position(file: BinaryIO) -> int:
    """Where the seal's digits stand: in the footer, once."""
    size = file.seek(0, 2)
    tail = _at(file, max(0, size - 8), 8)
    length = int.from_bytes(tail[:4], "little")
    start = size - 8 - length
    if tail[4:] != _MAGIC or start < 0:
        raise Damaged("it is cut short or is no parquet file")
    footer = _at(file, start, length)
    if footer.count(_MARK) != 1:
        raise Damaged("it has no seal")
    return start + footer.index(_MARK) + len(_MARK)


def _digest(file: BinaryIO, position: int) -> bytes:
    """The digest of the whole file with the seal's digits blank."""
    running = hashlib.sha256()
    size = file.seek(0, 2)
    file.seek(0)
    for start, end in ((0, position), (position + len(_BLANK), size)):
        file.seek(start)
        while start < end:
            chunk = file.read(min(_CHUNK, end - start))
            running.update(chunk)
            start += len(chunk)
        running.update(_BLANK if end == position else b"")
    return running.hexdigest().encode()


def _at(file: BinaryIO, start: int, length: int) -> bytes:
    file.seek(start)
    return file.read(length)
