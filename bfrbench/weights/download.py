"""Downloads that go on where they stopped: HTTP ranges, guarded by the server's own version mark.

An unfinished file lies beside its place as `.FILE.part`, with `.FILE.part.json` saying what it is a part of.
Whether the bytes are the right ones is for the caller to check.
"""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING

from bfrbench import atomic
from bfrbench.errors import WeightsError
from bfrbench.progress import Progress

if TYPE_CHECKING:
    import requests

CHUNK = 1 << 18
TIMEOUT = (15.0, 60.0)
"""Seconds to connect, and to wait for the next bytes."""
PATIENCE = 5
"""How often in a row a connection may fail without a single byte gained."""
PAUSE = 0.5
"""Seconds before the second try; doubled each time."""
LARGEST = 16 << 30


def part_of(place: Path) -> tuple[Path, Path]:
    """Where the unfinished download of `place` and the note about it lie."""
    part = place.with_name(f".{place.name}.part")
    return part, part.with_name(f"{part.name}.json")


def discard(place: Path) -> None:
    for path in part_of(place):
        path.unlink(missing_ok=True)


def download(url: str, place: Path, *, size: int | None, what: str) -> Path:
    """Bring all of `url` to the part file of `place`, going on from what is there, and give the part file.

    A connection that breaks is taken up again as long as each try gains something. On a fault of this machine (a
    full disk) nothing stays behind; on a fault of the network the part stays, for the next run.
    """
    import requests
    import urllib3

    best, idle, reason = _had(place, url), 0, "the connection was cut"
    with requests.Session() as session, Progress(f"fetching {what}", total=size, unit="byte") as progress:
        while idle < PATIENCE:
            try:
                if _once(session, url, place, size, progress):
                    return part_of(place)[0]
            except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
                reason = _why(error)
            except OSError:
                discard(place)
                raise
            had = _had(place, url)
            idle, best = (0, had) if had > best else (idle + 1, best)
            time.sleep(PAUSE * 2**idle if idle < PATIENCE else 0)
    got = f"stopped after {had:,} bytes" if (had := _had(place, url)) else "cannot be reached"
    raise WeightsError(f"{url} {got} ({reason})", "run the same command again to go on from there")


def _once(session: requests.Session, url: str, place: Path, size: int | None, progress: Progress) -> bool:
    """One connection: True when the part file is whole."""
    part, note = part_of(place)
    offset, version = _had(place, url), _mark(note).get("version", "")
    if size is not None and offset == size:
        return True
    headers = {"Accept-Encoding": "identity"}
    if offset and version:
        headers |= {"Range": f"bytes={offset}-", "If-Range": version}
    with session.get(url, headers=headers, stream=True, timeout=TIMEOUT) as answer:
        start, total = _extent(answer)
        _refuse(answer, url)
        _check_room(url, place, start, total, size)
        if start not in (0, offset):
            discard(place)
            return False
        atomic.write_json(note, {"url": url, "version": _version(answer)})
        progress.advance(start - progress.done)
        with part.open("r+b" if start else "wb") as out:
            out.seek(start)
            while chunk := answer.raw.read1(CHUNK):
                out.write(chunk)
                progress.advance(len(chunk))
                if out.tell() > (size or LARGEST):
                    raise _too_long(url, size or LARGEST, place)
            out.truncate()
            os.fsync(out.fileno())
    whole = total or size
    return whole is None or _had(place, url) == whole


def _refuse(answer: requests.Response, url: str) -> None:
    """An answer that trying again will not mend is ours; one that may pass is the network's."""
    if answer.status_code in (408, 425, 429) or answer.status_code >= 500:
        answer.raise_for_status()
    why = ""
    if answer.status_code not in (200, 206, 416):
        why = f"answers {answer.status_code} {answer.reason}"
    elif url.startswith("https://") and not answer.url.startswith("https://"):
        why = f"leads to {answer.url}, which is not encrypted"
    elif answer.headers.get("Content-Encoding", "identity") != "identity":
        why = "sends the file encoded, unasked"
    if why:
        raise WeightsError(f"{url} {why}", "look for the file by hand and add it")


def _extent(answer: requests.Response) -> tuple[int, int | None]:
    """Where the answer's bytes begin in the file (-1: nowhere), and how long the whole file is, if the server says."""
    if answer.status_code in (206, 416):
        match = re.fullmatch(r"bytes (?:(\d+)-\d+|\*)/(\d+|\*)", answer.headers.get("Content-Range", ""))
        if match is None:
            return -1, None
        return int(match[1] or -1), None if match[2] == "*" else int(match[2])
    length = answer.headers.get("Content-Length", "")
    return 0, int(length) if length.isdigit() else None


def _check_room(url: str, place: Path, start: int, total: int | None, size: int | None) -> None:
    """Refuse before the first byte what cannot end well: another size than expected, or a disk too small for it."""
    if total is not None and size is not None and total != size:
        discard(place)
        raise WeightsError(f"{url} has {total:,} bytes, expected {size:,}", "look for the right file and add it")
    need = (total or size or 0) - start
    free = shutil.disk_usage(place.parent).free
    if need > free:
        discard(place)
        raise OSError(errno.ENOSPC, f"{need:,} bytes needed, {free:,} free")


def _too_long(url: str, limit: int, place: Path) -> WeightsError:
    discard(place)
    return WeightsError(f"{url} sends more than {limit:,} bytes", "look for the right file and add it")


def _version(answer: requests.Response) -> str:
    """The mark by which the server tells whether the file is still the same; "" where it has no strong one."""
    tag = str(answer.headers.get("ETag", ""))
    return tag if tag.startswith('"') else str(answer.headers.get("Last-Modified", ""))


def _mark(note: Path) -> dict[str, str]:
    """The note of an unfinished download; {} where there is none to trust."""
    try:
        data = json.loads(note.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return data if isinstance(data, dict) and all(isinstance(value, str) for value in data.values()) else {}


def _had(place: Path, url: str) -> int:
    """How many bytes of this address are here; a part from another address counts for nothing and is written over."""
    part, note = part_of(place)
    return part.stat().st_size if part.exists() and _mark(note).get("url") == url else 0


def _why(error: Exception) -> str:
    response = getattr(error, "response", None)
    if response is not None:
        return f"{response.status_code} {response.reason}"
    return f"{type(error).__name__}: {' '.join(str(error).split())}"[:200]
