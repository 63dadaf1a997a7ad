"""The digests that this user's folder remembers for files whose publisher gives none.

A record lies beside its file as `FILE.sha256`, in the form that `sha256sum -c` reads. It outlives the file, so a
copy that is fetched again must be the one that was used before.
"""

from __future__ import annotations

import re
from pathlib import Path

from bfrbench import atomic
from bfrbench.digests import Digest
from bfrbench.errors import WeightsError

_LINE = re.compile(r"([0-9a-f]{64})  (\S+)\n?")


def record_path(place: Path) -> Path:
    return place.with_name(f"{place.name}.sha256")


def recall(place: Path) -> Digest | None:
    """The digest that the first use of the file wrote down, if there was a first use."""
    path = record_path(place)
    try:
        text = path.read_text(encoding="ascii")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise _damaged(path) from error
    match = _LINE.fullmatch(text)
    if match is None:
        raise _damaged(path)
    return match.group(1)


def remember(place: Path, digest: Digest) -> None:
    atomic.write_text(record_path(place), f"{digest}  {place.name}\n")


def _damaged(path: Path) -> WeightsError:
    return WeightsError(f"{path} is not a record of a digest", "remove it if you trust the file beside it")
