"""How a command ends badly: one sentence on stderr, an exit code, and a report file for a crash."""

from __future__ import annotations

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
from bfrbench.errors import EXIT_CRASH, BfrbenchError


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
