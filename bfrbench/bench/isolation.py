"""A restorer in a process of its own: it may hang, crash or leak there, and is stopped and started again."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from bfrbench.bench.restoring import Answer, BatchFailed, Request
from bfrbench.bench.worker import Job
from bfrbench.errors import BfrbenchError, RestorerError

_POLL_SECONDS = 0.25
_START_SECONDS = 900.0
"""Loading a large model from a slow disk takes minutes; more than this is a hang."""


class Isolated:
    """The engine of a restorer that runs in a worker process.

    `time_limit` is seconds per batch. `memory_limit` is GiB of the worker's resident memory: above it the worker
    is started anew, so that a leak costs time and not the run.
    """

    def __init__(self, job: Job, *, time_limit: float, memory_limit: float | None = None) -> None:
        self.job, self.time_limit = job, time_limit
        self.memory_limit = int(memory_limit * (1 << 30)) if memory_limit else _most_of_memory()
        self.about: Mapping[str, Any] = {}
        self._peak = 0
        self._log = tempfile.TemporaryFile("w+b")  # noqa: SIM115 - lives as long as the engine
        self._spawn()

    def restore(self, request: Request) -> Answer:
        restarted = self._restart_if_needed()
        self._peak = 0
        try:
            self._outbox.send(request)
            reply = self._wait(self.time_limit)
        except (EOFError, OSError) as error:
            raise self._stopped("crash", f"its process died ({self._how_it_died()})") from error
        if isinstance(reply, Answer):
            notes = (*restarted, *reply.notes)
            return replace(reply, memory=max(reply.memory, self._peak), notes=notes)
        if isinstance(reply, BatchFailed):
            raise reply
        raise RestorerError(f"the worker of {self.job.ref} answered {type(reply).__name__}", "report this fault")

    def close(self) -> None:
        self._end()
        self._log.close()

    def ready(self) -> None:
        """Wait until the restorer is made; its own error is raised here."""
        try:
            self._outbox.send(self.job)
            hello = self._wait(_START_SECONDS)
        except (EOFError, OSError) as error:
            problem = f"{self.job.ref} cannot be made: its process died ({self._how_it_died()})"
            raise RestorerError(problem, "try it alone with 'bfrbench plugins check'") from error
        except BatchFailed as failure:
            raise RestorerError(f"{self.job.ref} cannot be made: {failure.reason}", "look at its weights") from failure
        if isinstance(hello, BfrbenchError):
            self._end()
            raise hello
        self.about = hello

    def _start(self) -> None:
        self._spawn()
        self.ready()

    def _spawn(self) -> None:
        to_worker, from_parent = multiprocessing.Pipe(duplex=False)[::-1]
        from_worker, to_parent = multiprocessing.Pipe(duplex=False)
        ends = (from_parent.fileno(), to_parent.fileno())
        command = [sys.executable, "-m", "bfrbench.bench.worker", *map(str, ends)]
        self._log.seek(0)
        self._log.truncate()
        self._process = subprocess.Popen(
            command, pass_fds=ends, stdin=subprocess.DEVNULL, stdout=self._log, stderr=self._log, env=_environment()
        )
        from_parent.close()
        to_parent.close()
        self._outbox: Connection = to_worker
        self._inbox: Connection = from_worker

    def _wait(self, limit: float) -> Any:
        """The worker's next message, unless it takes too long or grows too large."""
        deadline = time.monotonic() + limit
        while not self._inbox.poll(min(_POLL_SECONDS, max(0.0, deadline - time.monotonic()))):
            if (size := self._resident()) > self.memory_limit:
                raise self._stopped("memory", f"its process grew to {size >> 20} MiB")
            if time.monotonic() >= deadline:
                raise self._stopped("timeout", f"no answer in {limit:g} s")
        return self._inbox.recv()

    def _restart_if_needed(self) -> tuple[str, ...]:
        if self._process.poll() is not None:
            self._start()
        elif (size := self._resident()) > self.memory_limit * 0.8:
            self._end()
            self._start()
            return (f"worker restarted at {size >> 20} MiB",)
        return ()

    def _stopped(self, cause: Any, reason: str) -> BatchFailed:
        failure = BatchFailed(cause, reason)
        self._end()
        return failure

    def _end(self) -> None:
        for connection in (self._inbox, self._outbox):
            connection.close()
        _kill_all(self._process)

    def _resident(self) -> int:
        import psutil

        with contextlib.suppress(psutil.Error):
            size = int(psutil.Process(self._process.pid).memory_info().rss)
            self._peak = max(self._peak, size)
            return size
        return 0

    def _how_it_died(self) -> str:
        code: int | None = None
        with contextlib.suppress(subprocess.TimeoutExpired):
            code = self._process.wait(5)
        self._log.seek(0)
        said = self._log.read()[-2000:].decode(errors="replace").strip().splitlines()
        how = "no exit code" if code is None else f"signal {-code}" if code < 0 else f"exit code {code}"
        return f"{how}: {said[-1][:200]}" if said else how


def _environment() -> dict[str, str]:
    """The parent's environment, with the parent's import path: a plugin found here is found there."""
    paths = [str(Path(entry).absolute()) for entry in sys.path if entry]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}


def _most_of_memory() -> int:
    import psutil

    return int(psutil.virtual_memory().total * 0.8)


def _kill_all(process: subprocess.Popen[bytes]) -> None:
    """A worker and what it has started: programs in sessions of their own would outlive it, and hold a GPU."""
    import psutil

    started = []
    with contextlib.suppress(psutil.Error):
        started = psutil.Process(process.pid).children(recursive=True)
    process.kill()
    process.wait()
    for each in started:
        with contextlib.suppress(psutil.Error):
            each.kill()
