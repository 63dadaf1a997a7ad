"""Rows as a table: one line per image, with its labels, what became of it, and what each metric says of it.

Columns: `id`, `status`, `input` (digest of what the restorer and the metrics saw), the labels, `seconds`, and for
each kind of rows `NAME` (a number), `NAME.status` and, where it has features, `NAME.feature` with `NAME.shape`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

from bfrbench import digests
from bfrbench.contracts import Row, Status
from bfrbench.digests import Digest

if TYPE_CHECKING:
    import pyarrow as pa

OBSERVED = ("seconds",)
"""Columns that may differ between two runs of the same thing."""
LABELS = ("severity", "yaw", "pitch", "roll")


@dataclass(frozen=True, slots=True)
class ImageRow:
    """What is known of one image whatever the metrics say."""

    id: str
    status: Status
    input: Digest
    identity: str | None = None
    severity: float | None = None
    yaw: float | None = None
    pitch: float | None = None
    roll: float | None = None
    seconds: float | None = None


def make(images: Sequence[ImageRow], metrics: Mapping[str, Sequence[Row]]) -> pa.Table:
    """The table of some images, in their order."""
    import pyarrow as pa

    columns: dict[str, Any] = {name: pa.array([getattr(row, name) for row in images], pa.string()) for name in _TEXTS}
    for name in (*LABELS, *OBSERVED):
        columns[name] = pa.array([getattr(row, name) for row in images], pa.float64())
    for name, rows in metrics.items():
        columns[name] = pa.array([row.value for row in rows], pa.float64())
        columns[f"{name}.status"] = pa.array([row.status for row in rows], pa.string())
        if any(row.feature is not None for row in rows):
            features = [None if row.feature is None else row.feature.reshape(-1) for row in rows]
            columns[f"{name}.feature"] = pa.array(features, pa.list_(pa.float32()))
            columns[f"{name}.shape"] = pa.array([_shape(row) for row in rows], pa.string())
    return pa.table(columns)


_TEXTS = ("id", "status", "input", "identity")


def join(tables: Sequence[pa.Table]) -> pa.Table:
    """Tables one below the other; a column that one lacks is empty there."""
    import pyarrow as pa

    return pa.concat_tables(tables, promote_options="default").combine_chunks()


def fit(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """The table with the columns of `schema`, in its order."""
    import pyarrow as pa

    count, names = table.num_rows, set(table.column_names)
    columns = [table.column(field.name) if field.name in names else pa.nulls(count, field.type) for field in schema]
    return pa.table(columns, schema=schema)


def rows_of(table: pa.Table, name: str) -> Iterator[Row]:
    """What one kind of metric said of each image."""
    ids, values, states = (table.column(column).to_pylist() for column in ("id", name, f"{name}.status"))
    features = _features(table, name)
    for image_id, value, state, feature in zip(ids, values, states, features, strict=True):
        yield Row(image_id, cast(Status, state), value, feature)


def _shape(row: Row) -> str | None:
    return None if row.feature is None else "x".join(str(side) for side in row.feature.shape)


def _features(table: pa.Table, name: str) -> Iterator[Any]:
    if f"{name}.feature" not in table.column_names:
        yield from [None] * table.num_rows
        return
    shapes = table.column(f"{name}.shape").to_pylist()
    for cell, shape in zip(table.column(f"{name}.feature"), shapes, strict=True):
        if shape is None:
            yield None
        else:
            sides = [int(side) for side in shape.split("x")]
            yield cell.values.to_numpy(zero_copy_only=False).reshape(sides)


@dataclass
class RowsDigest:
    """The digest of rows by what they say: the same however they were cut into shards, stored or compressed."""

    _rows: int = 0
    _columns: dict[str, tuple[Any, Any]] = field(default_factory=dict)

    def add(self, table: pa.Table) -> None:
        for name in table.column_names:
            if name not in OBSERVED and name not in self._columns:
                self._columns[name] = (hashlib.sha256(bytes(4 * self._rows)), hashlib.sha256())
        for name, (lengths, contents) in self._columns.items():
            if name not in table.column_names:
                lengths.update(bytes(4 * table.num_rows))
                continue
            column = table.column(name).combine_chunks()
            lengths.update(_lengths(column))
            contents.update(_contents(column.drop_null()))
        self._rows += table.num_rows

    def value(self) -> Digest:
        columns = {name: [lengths.hexdigest(), text.hexdigest()] for name, (lengths, text) in self._columns.items()}
        return digests.of_data({"rows": self._rows, "columns": columns})


def _lengths(column: Any) -> bytes:
    """For each cell: 0 when it is empty, else 1 more than the number of its parts."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_list(column.type):
        lengths = pc.list_value_length(column)
    elif pa.types.is_string(column.type):
        lengths = pc.binary_length(column)
    else:
        lengths = pc.cast(column.is_valid(), pa.int32())
        return bytes(lengths.to_numpy(zero_copy_only=False).astype("<i4").tobytes())
    whole = pc.fill_null(pc.add(lengths, 1), 0)
    return bytes(whole.to_numpy(zero_copy_only=False).astype("<i4").tobytes())


def _contents(column: Any) -> bytes:
    """The values of a column without empty cells, in one spelling."""
    import pyarrow as pa

    if pa.types.is_list(column.type):
        return bytes(column.flatten().to_numpy(zero_copy_only=False).astype("<f4").tobytes())
    if pa.types.is_floating(column.type):
        return bytes(column.to_numpy(zero_copy_only=False).astype("<f8").tobytes())
    return "".join(column.to_pylist()).encode()


def digest_of(tables: Iterable[pa.Table]) -> Digest:
    running = RowsDigest()
    for table in tables:
        running.add(table)
    return running.value()
