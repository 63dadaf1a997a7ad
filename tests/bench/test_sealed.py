"""Sealed row files: whatever bit is altered is found, and rows have one digest however they are cut."""

from __future__ import annotations

import itertools
import random
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bfrbench.bench import rowtable, sealed
from bfrbench.bench.rowtable import ImageRow, RowsDigest
from bfrbench.contracts import Row


def table(count: int = 6, features: bool = True) -> pa.Table:
    images = [
        ImageRow(f"face-{n}", "ok" if n % 3 else "nan", "0" * 64, identity="é" if n % 2 else None, yaw=float(n))
        for n in range(count)
    ]
    numbers = [Row(f"face-{n}", value=n / 7) if n % 3 else Row(f"face-{n}", "nan") for n in range(count)]
    some = [
        Row(f"face-{n}", feature=np.arange(n, n + 6, dtype=np.float32).reshape(2, 3))
        if n % 2
        else Row(f"face-{n}", "no_face")
        for n in range(count)
    ]
    return rowtable.make(images, {"psnr": numbers, **({"inception": some} if features else {})})


def test_a_sealed_table_comes_back_as_it_was(tmp_path: Path) -> None:
    path, made = tmp_path / "rows.parquet", table().replace_schema_metadata({b"seen": b"[1]"})
    sealed.write(path, [made], made.schema)
    back = sealed.read(path)
    assert back.equals(made)
    assert back.schema.metadata == {b"seen": b"[1]"}


def test_every_flipped_bit_is_found(tmp_path: Path) -> None:
    path, made = tmp_path / "rows.parquet", table()
    sealed.write(path, [made], made.schema)
    whole = path.read_bytes()
    bits = random.Random(0).sample(range(len(whole) * 8), 400)
    for bit in bits:
        spoilt = bytearray(whole)
        spoilt[bit // 8] ^= 1 << (bit % 8)
        path.write_bytes(spoilt)
        with pytest.raises(sealed.Damaged):
            sealed.read(path)


@pytest.mark.parametrize("kept", [0, 1, 7, 100, -100, -8, -1])
def test_a_cut_file_is_found(kept: int, tmp_path: Path) -> None:
    path, made = tmp_path / "rows.parquet", table()
    sealed.write(path, [made], made.schema)
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(sealed.Damaged):
        sealed.read(path)


def test_another_program_reads_the_rows(tmp_path: Path) -> None:
    import pandas as pd

    path, made = tmp_path / "rows.parquet", table()
    sealed.write(path, [made], made.schema)
    frame = pd.read_parquet(path)
    assert list(frame["id"]) == [f"face-{n}" for n in range(6)]
    assert frame["psnr"][1] == 1 / 7


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 12), max_size=4))
def test_the_digest_of_rows_does_not_depend_on_how_they_are_cut(cuts: list[int]) -> None:
    made = table(12)
    whole, cut = RowsDigest(), RowsDigest()
    whole.add(made)
    edges = [0, *sorted(cuts), 12]
    for start, end in itertools.pairwise(edges):
        cut.add(made.slice(start, end - start))
    assert cut.value() == whole.value()


def test_the_digest_of_rows_changes_with_each_value_and_not_with_the_time_it_took() -> None:
    made = table()
    before = rowtable.digest_of([made])
    for name in made.column_names:
        column = made.column(name).to_pylist()
        column[1], column[2] = column[2], column[1]
        other = made.set_column(made.column_names.index(name), name, pa.array(column, made.schema.field(name).type))
        same = column == made.column(name).to_pylist()
        assert (rowtable.digest_of([other]) == before) == same, name
    seconds = made.set_column(made.column_names.index("seconds"), "seconds", pa.array([1.0] * 6))
    assert rowtable.digest_of([seconds]) == before


def test_rows_survive_the_table() -> None:
    made = table()
    rows = list(rowtable.rows_of(made, "inception"))
    assert [row.status for row in rows] == ["no_face", "ok"] * 3
    assert rows[0].feature is None
    assert rows[3].feature is not None and rows[3].feature.tolist() == [[3, 4, 5], [6, 7, 8]]
    joined = rowtable.join([table(2, features=False), table(2)])
    assert [row.feature is None for row in rowtable.rows_of(joined, "psnr")] == [True] * 4
