"""Tables of images through Hugging Face `datasets`: ours over files, a parquet's, a hub repository's.

Every table that leaves here has the columns `id` and `image` (encoded, not decoded) and our names for whatever
labels exist: gt, identity, yaw, pitch, roll, points.
"""

from __future__ import annotations

import glob
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bfrbench import places
from bfrbench.data.listing import Listed
from bfrbench.errors import BfrbenchError, InputError, UsageError

if TYPE_CHECKING:
    import datasets

LABELS = ("identity", "yaw", "pitch", "roll", "points")
_SPELLINGS = {
    "id": ("id", "image_id", "file_name", "filename", "name"),
    "image": ("image", "img", "picture"),
    "gt": ("gt", "ground_truth"),
    "identity": ("identity", "person"),
    "points": ("points", "landmarks"),
}


def over_files(files: Sequence[Listed], gt: Mapping[str, str] | None = None) -> datasets.Dataset:
    """A table whose images stay in their files."""
    import pyarrow as pa

    import datasets

    columns = {"id": pa.array([file.id for file in files], pa.string()), "image": _cells(f.locator for f in files)}
    if gt is not None:
        columns["gt"] = _cells(gt[file.id] for file in files)
    features = datasets.Features({"id": datasets.Value("string"), **dict.fromkeys(list(columns)[1:], _image())})
    return datasets.Dataset(pa.table(columns), info=datasets.DatasetInfo(features=features))


def stream_files(files: Callable[[], Iterator[Listed]]) -> datasets.IterableDataset:
    """The same as a stream: the first image comes before the last one is listed."""
    import datasets

    features = datasets.Features({"id": datasets.Value("string"), "image": _image()})
    return datasets.IterableDataset.from_generator(_rows, features=features, gen_kwargs={"files": files})


def _rows(files: Callable[[], Iterator[Listed]]) -> Iterator[dict[str, Any]]:
    for file in files():
        yield {"id": file.id, "image": {"bytes": None, "path": file.locator}}


def parquet(paths: Sequence[Path], columns: Mapping[str, str], *, streaming: bool) -> Any:
    """A parquet's table; as a map it is kept in the cache as Arrow, which is read without loading it."""
    import datasets

    where = str(paths[0].parent if len(paths) > 1 else paths[0])
    cache = places.home() / "cache" / "tables"
    with told(where):
        if sum(_rows_of(path) for path in paths) == 0:
            raise InputError(f"{where} holds no image", "give a table with rows")
        data = datasets.load_dataset(
            "parquet",
            data_files=[glob.escape(str(path)) for path in paths],
            split="train",
            streaming=streaming,
            cache_dir=str(cache),
        )
    return named(data, columns, where)


def hub(name: str, columns: Mapping[str, str], *, streaming: bool) -> Any:
    """A hub repository's table: `owner/name[@revision][#split]`."""
    import datasets

    if places.offline():
        raise UsageError(
            f"'hf:{name}' lies on the Hugging Face hub and downloads are forbidden", "unset BFRBENCH_OFFLINE"
        )
    repository, _, split = name.partition("#")
    repository, _, revision = repository.partition("@")
    with told(f"hf:{name}"):
        data = datasets.load_dataset(
            repository,
            revision=revision or None,
            split=split or "train",
            streaming=streaming,
            cache_dir=str(places.home() / "cache" / "tables"),
        )
    return named(data, columns, f"hf:{name}")


def named(data: Any, columns: Mapping[str, str], where: str) -> Any:
    """The table under our column names, its images still encoded."""
    present = data.column_names or list(next(iter(data.take(1)), {}))
    chosen: dict[str, str] = {}
    for ours, spellings in {**_SPELLINGS, **{label: (label,) for label in LABELS if label not in _SPELLINGS}}.items():
        theirs = columns.get(ours) or next((name for name in spellings if name in present), None)
        if theirs is not None and theirs not in present:
            raise InputError(f"{where} has no column {theirs!r}", f"it has {', '.join(present)}")
        if theirs is not None:
            chosen[ours] = theirs
    for needed in ("id", "image"):
        if needed not in chosen:
            problem = f"{where} has no column for {needed!r} among {', '.join(present)}"
            raise InputError(problem, f"name it: --column {needed}=NAME")
    for name in ("image", "gt"):  # before anything else: a stream would decode and encode what it passes on
        if name in chosen:
            data = data.cast_column(chosen[name], _image())
    data = data.select_columns(list(chosen.values()))
    return data.rename_columns({theirs: ours for ours, theirs in chosen.items() if ours != theirs})


def check_ids(data: datasets.Dataset, where: str) -> list[str]:
    """The ids of a table, each once and each a text."""
    ids: list[str] = data.data.column("id").to_pylist()
    check = IdCheck(where)
    for name in ids:
        check(name)
    if not ids:
        raise InputError(f"{where} holds no image", "give a table with rows")
    return ids


class IdCheck:
    """Looks at the ids of a table row by row; the first that is no text, or was there before, is an error."""

    def __init__(self, where: str) -> None:
        self._where = where
        self._seen: dict[str, int] = {}

    def __call__(self, name: Any) -> None:
        row = len(self._seen)
        if not isinstance(name, str) or not name:
            raise InputError(f"row {row} of {self._where} has the id {name!r}", "give each row a text of its own as id")
        if (other := self._seen.setdefault(name, row)) != row:
            raise InputError(f"rows {other} and {row} of {self._where} both have the id {name!r}", "remove one of them")


def _cells(locators: Iterable[str]) -> Any:
    import pyarrow as pa

    paths = pa.array(locators, pa.string())
    return pa.StructArray.from_arrays([pa.nulls(len(paths), pa.binary()), paths], names=["bytes", "path"])


def _image() -> Any:
    import datasets

    return datasets.Image(decode=False)


def _rows_of(path: Path) -> int:
    import pyarrow.parquet as pq

    rows: int = pq.read_metadata(path).num_rows
    return rows


@contextmanager
def told(where: str) -> Iterator[None]:
    """What goes wrong inside `datasets`, told as one sentence about the table; its own bars and lines are off."""
    import datasets

    datasets.disable_progress_bars()
    datasets.logging.set_verbosity(datasets.logging.CRITICAL)
    try:
        yield
    except BfrbenchError:
        raise
    except Exception as error:
        reason = " ".join(str(error.__cause__ or error).split())[:200]
        problem = f"{where} cannot be opened as a table ({type(error).__name__}: {reason})"
        raise InputError(problem, "check the file, and that the disk of BFRBENCH_HOME is not full") from error
