"""Draws as plain data: stored, shown, edited and replayed."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bfrbench.contracts import Draw, Op, Pair
from bfrbench.digests import Digest, of_data, of_file
from bfrbench.errors import InputError

if TYPE_CHECKING:
    from bfrbench.contracts import U8Image

COLUMNS = ("id", "recipe", "seed", "view", "noise_key", "severity", "psnr", "sha256", "height", "width", "ops")
"""Of a draws table; `ops` is JSON, `sha256` is that of the low-quality pixels."""


def to_plain(draw: Draw) -> dict[str, Any]:
    return asdict(draw)


def from_plain(data: Mapping[str, Any]) -> Draw:
    """A draw from what `to_plain` made of it, or from a row of a draws table."""
    try:
        ops = json.loads(data["ops"]) if isinstance(data["ops"], str) else data["ops"]
        steps = tuple(Op(op["name"], op["args"]) for op in ops)
        name = data["id"] if "id" in data else data["image_id"]
        return Draw(data["recipe"], name, int(data["view"]), int(data["noise_key"]), steps)
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"this is no draw ({type(error).__name__}: {error})", "store draws with --draws") from error


def ops_json(draw: Draw) -> str:
    return json.dumps([asdict(op) for op in draw.ops], allow_nan=False)


def write_table(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Rows with the columns of `COLUMNS`, as parquet."""
    import pyarrow as pa
    from pyarrow import parquet

    from bfrbench.atomic import landing, told

    listed = list(rows)
    with told(path), landing(path) as part:
        parquet.write_table(pa.table({column: [row[column] for row in listed] for column in COLUMNS}), part)


@dataclass(frozen=True)
class Replay:
    """A table of draws in a recipe's place: each image gets the numbers stored for it, whatever the seed."""

    path: Path
    draws: dict[str, Draw]
    name: str = "draws"
    summary: str = "Stored draws, replayed."
    source: str = "a draws table"

    @classmethod
    def open(cls, file: str) -> Replay:
        from pyarrow import ArrowException, parquet

        path = Path(file).expanduser()
        try:
            rows = parquet.read_table(path).to_pylist()
        except (OSError, ArrowException) as error:
            raise InputError(f"{path} cannot be read as parquet ({error})", "give a file of --draws") from error
        return cls(path, {draw.image_id: draw for draw in map(from_plain, rows)})

    @cached_property
    def digest(self) -> Digest:
        return of_data({"draws": of_file(self.path)})

    @property
    def touches_target(self) -> bool:
        ops = (op for draw in self.draws.values() for op in draw.ops)
        return self.moves_target or any(op.args.get("target", False) for op in ops)

    @property
    def moves_target(self) -> bool:
        return any(op.name in ("move", "flip") for draw in self.draws.values() for op in draw.ops)

    def draw(self, seed: int, image_id: str, *, view: int = 0) -> Draw:
        if image_id not in self.draws:
            raise InputError(f"{self.path} holds no draw for {image_id!r}", "degrade the images it was made from")
        return self.draws[image_id]

    def apply(self, gt: U8Image, draw: Draw) -> Pair:
        from bfrbench.degradations.exact import apply

        return apply(gt, draw)
