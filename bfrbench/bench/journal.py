"""The folder of a run: shards of rows that land whole, and what is still to do.

`rows/` holds finished shards, `open/` the finished batches of a shard that was interrupted in order, `claims/` who
works on what. A shard that is not as it was written is set aside and done again.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from bfrbench.bench import sealed
from bfrbench.bench.manifest import Manifest, Shard
from bfrbench.errors import OutputError

if TYPE_CHECKING:
    import pyarrow as pa


class Journal:
    """What is done of a run, on disk."""

    def __init__(self, folder: Path, manifest: Manifest) -> None:
        self.folder, self.manifest = folder, manifest
        self.shards = manifest.shards()
        self.rows, self.open, self.claims = folder / "rows", folder / "open", folder / "claims"

    def landed(self) -> set[int]:
        """The numbers of the shards whose file is there."""
        names = {path.name for path in self.rows.glob("shard-*.parquet")} if self.rows.is_dir() else set()
        return {shard.number for shard in self.shards if f"{shard.name}.parquet" in names}

    def has(self, shard: Shard) -> bool:
        return self._place(shard).exists()

    def land(self, shard: Shard, table: pa.Table) -> None:
        """Put a finished shard in its place and forget its open part."""
        with writing(self.folder):
            sealed.write(self._place(shard), [table], table.schema)
            (self.open / f"{shard.name}.parquet").unlink(missing_ok=True)

    def read(self, shard: Shard, columns: Sequence[str] | None = None) -> pa.Table:
        """The rows of a finished shard, or some of their columns (the ids among them); raises `Damaged`."""
        table = sealed.read(self._place(shard), columns)
        if tuple(table.column("id").to_pylist()) != shard.ids:
            raise sealed.Damaged("it holds the rows of other images")
        return table

    def timed_out(self) -> int:
        """How many images of finished shards timed out."""
        return sum(statuses.count("timeout") for statuses in self._statuses(self.rows))

    def answered(self) -> bool:
        """Whether the restorer restored an image of a finished shard or of an interrupted one."""
        return any("ok" in statuses for place in (self.rows, self.open) for statuses in self._statuses(place))

    def keep_open(self, shard: Shard, table: pa.Table) -> None:
        """Keep the finished batches of a shard that will not be finished now."""
        with writing(self.folder):
            sealed.write(self.open / f"{shard.name}.parquet", [table], table.schema)

    def opened(self, shard: Shard) -> pa.Table | None:
        """The finished batches of an interrupted shard, if they are sound."""
        path = self.open / f"{shard.name}.parquet"
        try:
            table = sealed.read(path)
        except (FileNotFoundError, sealed.Damaged):
            return None
        ids = tuple(table.column("id").to_pylist())
        whole_batches = len(ids) % shard.batch == 0 or len(ids) == len(shard.ids)
        return table if ids == shard.ids[: len(ids)] and whole_batches else None

    def kept(self) -> dict[str, int]:
        """How many rows of each interrupted shard are kept, by its name."""
        import pyarrow.parquet as pq

        found = {}
        for path in self.open.glob("shard-*.parquet") if self.open.is_dir() else ():
            with suppress(OSError, ValueError):  # landed meanwhile, or damaged
                found[path.stem] = int(pq.read_metadata(path).num_rows)
        return found

    def audit(self) -> dict[str, str]:
        """Look at every byte of each landed shard; set the damaged ones aside and say what is wrong with each."""
        damaged = {}
        for number in sorted(self.landed()):
            shard = self.shards[number]
            try:
                self.read(shard, ["id"])
            except sealed.Damaged as error:
                damaged[shard.name] = str(error)
                self.set_aside(shard)
            except FileNotFoundError:
                continue
        return damaged

    def set_aside(self, shard: Shard) -> None:
        with writing(self.folder), suppress(FileNotFoundError):
            self._place(shard).rename(self.rows / f"{shard.name}.damaged")

    def _statuses(self, place: Path) -> Iterator[list[str]]:
        for shard in self.shards:
            with suppress(FileNotFoundError, sealed.Damaged):
                yield sealed.read(place / f"{shard.name}.parquet", ["status"]).column("status").to_pylist()

    def _place(self, shard: Shard) -> Path:
        return self.rows / f"{shard.name}.parquet"


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Turn what the system says when nothing can be written into a sentence."""
    try:
        yield
    except OSError as error:
        raise OutputError(_problem(folder, error), _REMEDIES.get(error.errno or 0, "look at that folder")) from error


_AGAIN = "and run the same command again: what is done stays done"
_REMEDIES = {
    errno.ENOSPC: f"free some space {_AGAIN}",
    errno.EDQUOT: f"free some of your quota {_AGAIN}",
    errno.EFBIG: f"raise the limit on the size of files {_AGAIN}",
    errno.EROFS: "choose a folder that can be written with --out",
    errno.EACCES: "choose a folder that you may write with --out",
    errno.EPERM: "choose a folder that you may write with --out",
}


def _problem(folder: Path, error: OSError) -> str:
    return f"the run cannot write to {folder} ({error.strerror or error})"
