"""Labels beside images: a parquet of ids and numbers that a table takes up by id.

They come from `prepare` (in the folder of the prepared set) or from the pose labeller (in the user's home, so
that a read-only set can be labelled too); the home's are newer and win. What a set's authors released with it wins
over both: an estimate never takes the place of a label.
"""

from __future__ import annotations

from functools import reduce
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bfrbench import atomic, places
from bfrbench.data.table import LABELS
from bfrbench.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

FILE = "labels.parquet"


def home_file(ref: str) -> Path:
    """Where the labels of a reference lie in the home; a path's under the digest of where it is."""
    from bfrbench.data.card import cards
    from bfrbench.digests import of_bytes

    if ref.partition(":")[0] in cards():
        return places.home() / "labels" / f"{ref.replace(':', '.')}.parquet"
    return places.home() / "labels" / f"path-{of_bytes(str(Path(ref).absolute()).encode())[:16]}.parquet"


def read(path: Path) -> pd.DataFrame:
    """A file of labels, indexed by id."""
    import pandas as pd

    try:
        frame = pd.read_parquet(path)
    except Exception as error:
        raise InputError(f"{path} is no file of labels ({error})", "make it again or remove it") from error
    if "id" not in frame or frame["id"].duplicated().any():
        raise InputError(f"{path} has no column of unique ids", "make it again or remove it")
    return frame.set_index("id")[[name for name in LABELS if name in frame]]


def write(path: Path, frame: pd.DataFrame) -> None:
    """Write labels; the frame has a column `id`."""
    with atomic.told(path), atomic.landing(path) as part:
        frame.to_parquet(part, index=False)


def joined(ref: str, folder: Path | None, released: pd.DataFrame | None = None) -> pd.DataFrame | None:
    """Every label known for a reference, the released ones first, then the newest; None where there is none."""
    files = [folder / FILE] if folder is not None and folder.is_dir() else []
    frames = [read(path) for path in [*files, home_file(ref)] if path.is_file()]
    if released is not None:
        frames.append(released)
    return reduce(lambda older, newer: newer.combine_first(older), frames) if frames else None


def taken_up(data: Any, labels: pd.DataFrame) -> Any:
    """A map-style table with those labels as columns; where an image has none, what the table said stays."""
    found = labels.reindex(data.data.column("id").to_pylist())
    for name in found.columns:
        before = data.data.column(name).to_pylist() if name in data.column_names else [None] * len(data)
        values = [
            (list(new) if name == "points" else new) if _known(new) else old
            for new, old in zip(found[name].tolist(), before, strict=True)
        ]
        data = data.remove_columns(name) if name in data.column_names else data
        data = data.add_column(name, values)
    return data


def _known(value: Any) -> bool:
    return value is not None and (hasattr(value, "__len__") or value == value)
