"""Who works on what in a folder that several processes, perhaps of several machines, share.

A claim only saves double work: results are right without it, since shards land whole and are the same whoever
computes them. So it may be given up wrongly, and it never trusts a clock: a claim is dead when its process is
gone from this machine, or when its heartbeat has not changed for a while by our own monotonic clock.
"""

from __future__ import annotations

import contextlib
import json
import os
import platform
import threading
import time
import uuid
from pathlib import Path
from types import TracebackType
from typing import Any

from bfrbench import atomic
from bfrbench.bench.journal import writing

BEAT_SECONDS = 5.0
DEAD_SECONDS = 60.0


class Claims:
    """The claims of one process in one folder; use as a context so that they end with it."""

    def __init__(self, folder: Path, *, beat: float = BEAT_SECONDS, dead: float = DEAD_SECONDS) -> None:
        self.folder, self._beat, self._dead = folder, beat, dead
        self._owner = {
            "machine": machine(),
            "pid": os.getpid(),
            "started": _started(os.getpid()),
            "run": uuid.uuid4().hex,
        }
        self._mine: dict[str, int] = {}
        """What is held, and how much of it is done."""
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._seen: dict[str, tuple[bytes, float]] = {}
        self._thread = threading.Thread(target=self._keep_beating, name="bfrbench-claims", daemon=True)

    def __enter__(self) -> Claims:
        with writing(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()
        for name in list(self._mine):
            self.release(name)

    def take(self, name: str) -> bool:
        """Claim `name`, unless somebody who is alive holds it."""
        path = self._path(name)
        with writing(self.folder):
            for _ in range(2):
                if self._create(path):
                    with self._lock:
                        self._mine[name] = 0
                    return True
                if not self._dead_claim(path):
                    return False
                self._bury(path)
        return False

    def release(self, name: str) -> None:
        with self._lock:
            self._mine.pop(name, None)
            with contextlib.suppress(OSError):
                if self._still_ours(name):
                    self._path(name).unlink()

    def tell(self, name: str, done: int) -> None:
        """Say how much of what is held is done; others hear it with the next beat."""
        with self._lock:
            if name in self._mine:
                self._mine[name] = done

    def told(self) -> dict[str, int]:
        """How much is done of whatever is held, by the word of its living holder; who cannot be read says nothing."""
        with self._lock:
            told = dict(self._mine)
        for path in self.folder.glob("[!.]*.json"):
            with contextlib.suppress(OSError, ValueError, TypeError):
                if path.stem not in told and not self._dead_claim(path):
                    told[path.stem] = int(_parse(path.read_bytes()).get("done", 0))
        return told

    def _path(self, name: str) -> Path:
        return self.folder / f"{name}.json"

    def _create(self, path: Path) -> bool:
        try:
            handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY)
        except FileExistsError:
            return False
        with os.fdopen(handle, "wb") as file:
            file.write(self._text(0, 0))
        return True

    def _text(self, beat: int, done: int) -> bytes:
        return json.dumps({**self._owner, "beat": beat, "done": done}).encode()

    def _keep_beating(self) -> None:
        beat = 0
        while not self._ended.wait(self._beat):
            beat += 1
            with self._lock:
                for name, done in list(self._mine.items()):
                    with contextlib.suppress(OSError):  # one that is lost leaves the others beating
                        if self._still_ours(name):
                            atomic.write_bytes(self._path(name), self._text(beat, done))

    def _dead_claim(self, path: Path) -> bool:
        try:
            text = path.read_bytes()
        except FileNotFoundError:
            return True
        except OSError:  # replaced under our hands, as a network file system says it; for good, it dies as silence does
            text = b""
        claim = _parse(text)
        if claim.get("machine") == self._owner["machine"] and not _alive(claim):
            return True
        seen = self._seen.get(path.name)
        if seen is None or seen[0] != text:  # also for a claim that is being made, whose text is still empty
            self._seen[path.name] = (text, time.monotonic())
            return False
        return time.monotonic() - seen[1] > self._dead

    def _bury(self, path: Path) -> None:
        """Move a dead claim away; of several who try, the rename lets one through."""
        grave = path.with_name(f".{path.stem}.{uuid.uuid4().hex}.dead")
        with contextlib.suppress(FileNotFoundError):
            path.rename(grave)
            grave.unlink()

    def _still_ours(self, name: str) -> bool:
        """Somebody who thought us dead may hold it now."""
        return _parse(self._path(name).read_bytes()).get("run") == self._owner["run"]


def machine() -> str:
    """This machine, this boot and this process namespace: where a process id means something."""
    parts = [platform.node()]
    for read in (_boot, _namespace):
        with contextlib.suppress(OSError):
            parts.append(read())
    return "/".join(parts)


def _boot() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def _namespace() -> str:
    return str(Path("/proc/self/ns/pid").stat().st_ino)


def _started(pid: int) -> str:
    """When a process started, in a form that no change of the clock touches where there is one."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    import psutil

    return str(int(psutil.Process(pid).create_time()))


def _alive(claim: dict[str, Any]) -> bool:
    import psutil

    try:
        pid = int(claim["pid"])
        return bool(psutil.pid_exists(pid) and _started(pid) == claim["started"])
    except (KeyError, ValueError, psutil.NoSuchProcess):
        return False


def _parse(text: bytes) -> dict[str, Any]:
    """A claim; one that is empty or cut (its process died while writing) belongs to nobody known."""
    try:
        claim = json.loads(text)
    except ValueError:
        return {}
    return claim if isinstance(claim, dict) else {}
