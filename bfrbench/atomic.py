"""Files that land whole or not at all: written beside their place, flushed to disk, then renamed; and by one process
at a time where that is wanted."""

from __future__ import annotations

import json
import os
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bfrbench.errors import UsageError


@contextmanager
def landing(path: Path) -> Iterator[Path]:
    """Give a temporary path beside `path`; rename it into place when the block ends without an error."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.stem}.{uuid.uuid4().hex}.part{path.suffix}")
    try:
        yield part
        _flush(part)
        part.replace(path)
        _flush(path.parent)
    finally:
        part.unlink(missing_ok=True)


@contextmanager
def told(path: Path) -> Iterator[None]:
    """What the disk refuses inside the block, as a sentence about `path` instead of a traceback."""
    try:
        yield
    except OSError as error:
        said = os.strerror(error.errno) if error.errno else str(error)
        problem = f"{path} cannot be written ({said})"
        raise UsageError(problem, "check the folder, its permissions and the space left, and run again") from error


@contextmanager
def alone(lock: Path, doing: str) -> Iterator[None]:
    """Hold a lock file against other processes; says so when it has to wait for one."""
    import filelock

    held = filelock.FileLock(lock)
    try:
        held.acquire(timeout=1)
    except filelock.Timeout:
        print(f"waiting for another process that is {doing}", file=sys.stderr, flush=True)
        held.acquire()
    try:
        yield
    finally:
        held.release()


def write_bytes(path: Path, data: bytes) -> None:
    with landing(path) as part:
        part.write_bytes(data)


def write_text(path: Path, text: str) -> None:
    write_bytes(path, text.encode())


def write_json(path: Path, data: Any) -> None:
    """Indented JSON with a final newline; keys keep the order they were given in."""
    write_text(path, json.dumps(data, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def _flush(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
