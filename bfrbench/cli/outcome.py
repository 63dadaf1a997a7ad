"""How a command ends badly: one sentence on stderr, an exit code, and a report file for a crash."""

from __future__ import annotations

import errno
import os
import platform
import sys
import tempfile
import time
import traceback
from pathlib import Path

import cyclopts

import bfrbench
from bfrbench.cli import VERBOSE
from bfrbench.errors import EXIT_CRASH, BfrbenchError, OutputError

_REMEDIES = {
    errno.ENOSPC: "free some space, or write elsewhere",
    errno.EDQUOT: "free some of your quota, or write elsewhere",
    errno.EFBIG: "raise the limit on the size of files, or write elsewhere",
    errno.EROFS: "choose a place that can be written",
    errno.EACCES: "choose a place that you may use",
    errno.EPERM: "choose a place that you may use",
    errno.EISDIR: "give a file, not a folder",
    errno.ENOTDIR: "a part of that path is a file: choose another",
    errno.ENAMETOOLONG: "choose a shorter name",
}


def failed(error: BfrbenchError) -> int:
    if os.environ.get(VERBOSE):
        traceback.print_exception(error)
    print(f"bfrbench: {error}", file=sys.stderr)
    return error.exit_code


def usage(error: cyclopts.CycloptsError) -> int:
    words = " ".join(str(error).split()).rstrip(".")
    command = " ".join(error.command_chain or ())
    print(f"bfrbench: {words}; see 'bfrbench {command + ' ' if command else ''}--help'", file=sys.stderr)
    return 2


def refused(error: OSError) -> int:
    """What the system does not let a user do, in a sentence; 0 for what may be a fault of ours."""
    if error.errno not in _REMEDIES:
        return 0
    where = f" ({error.filename})" if error.filename is not None else ""
    problem = f"{os.strerror(error.errno)}{where}"
    told = OutputError(problem, _REMEDIES[error.errno])
    told.__cause__ = error
    return failed(told)


def crashed(error: Exception) -> int:
    """Save what is needed to mend a fault of ours, and say where it lies."""
    report = "".join(traceback.format_exception(error))
    print(
        f"bfrbench: a fault of bfrbench itself ({type(error).__name__}: {error}); {_save(report)}",
        file=sys.stderr,
    )
    if os.environ.get(VERBOSE):
        print(report, file=sys.stderr)
    return EXIT_CRASH


def _save(report: str) -> str:
    head = [
        f"bfrbench {bfrbench.__version__}",
        f"python {platform.python_version()} on {platform.platform()}",
        f"command: {' '.join(sys.argv)}",
        f"time: {time.strftime('%Y-%m-%dT%H:%M:%S%z')}",
    ]
    try:
        handle, name = tempfile.mkstemp(prefix="bfrbench-crash-", suffix=".txt")
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write("\n".join(head) + "\n\n" + report)
    except OSError:
        return "run it again with --verbose for the traceback"
    return f"please report it with {Path(name)}"
