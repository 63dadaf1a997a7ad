"""Digests: sha256 of files, of plain data in one canonical form, and of arrays with their shape and type."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

Digest = str
"""64 lower-case hexadecimal digits of a sha256."""


def of_bytes(data: bytes | memoryview) -> Digest:
    return hashlib.sha256(data).hexdigest()


def of_file(path: Path) -> Digest:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def canonical_json(data: Any) -> bytes:
    """One spelling of plain data: sorted keys, no spaces, UTF-8; NaN and infinities are refused."""
    return json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def of_data(data: Any) -> Digest:
    """The digest of JSON-like data, whatever the order of its keys."""
    return of_bytes(canonical_json(data))


def of_array(array: np.ndarray[Any, Any]) -> Digest:
    """The digest of an array's type, shape and little-endian contents."""
    import numpy as np

    array = np.ascontiguousarray(array)
    little = array.astype(array.dtype.newbyteorder("<"), copy=False)
    head = f"{little.dtype.str}{little.shape}".encode()
    return hashlib.sha256(head + little.tobytes()).hexdigest()
