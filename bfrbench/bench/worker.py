"""The process that a restorer runs in when it might hang, crash or leak: started by `isolation`, talks over a pipe.

Run as `python -m bfrbench.bench.worker READ WRITE`, with the numbers of two open file descriptors.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, Any

from bfrbench.bench.restoring import BatchFailed, Restoring, about
from bfrbench.errors import BfrbenchError, RestorerError

if TYPE_CHECKING:
    from bfrbench.plugins import PluginHost
    from bfrbench.restorers import LoadedRestorer
    from bfrbench.specs import Precision


@dataclass(frozen=True, slots=True)
class Job:
    """How to make the restorer."""

    ref: str
    device: str = "cpu"
    precision: Precision = "float32"
    options: dict[str, Any] = field(default_factory=dict)
    threads: int = 1

    def load(self, host: PluginHost | None = None) -> LoadedRestorer:
        import torch

        from bfrbench.restorers import load_restorer

        torch.set_num_threads(self.threads)
        return load_restorer(self.ref, device=self.device, precision=self.precision, host=host, **self.options)


def main(read: int, write: int) -> None:
    for number in (signal.SIGINT, signal.SIGTERM):  # meant for the parent, which ends us when it is done
        signal.signal(number, signal.SIG_IGN)
    _die_with_parent()
    sys.stdout = sys.stderr
    inbox, outbox = Connection(read, writable=False), Connection(write, readable=False)
    job: Job = inbox.recv()
    try:
        loaded = job.load()
        restore = Restoring(loaded)
        outbox.send(about(loaded))
    except BfrbenchError as error:
        outbox.send(error)
        return
    except BaseException as error:
        outbox.send(RestorerError(f"{job.ref} cannot be made ({type(error).__name__}: {error})", "see its own message"))
        return
    while True:
        try:
            request = inbox.recv()
        except EOFError:
            return
        try:
            outbox.send(restore(request))
        except BatchFailed as failure:
            outbox.send(BatchFailed(failure.cause, failure.reason))


def _die_with_parent() -> None:
    """A worker whose parent was killed must not go on computing for nobody."""
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1.0)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
