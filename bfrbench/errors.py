"""Every error that bfrbench raises on purpose, and the exit code of each branch.

    BfrbenchError                      2
    ├── UsageError                     2   a command line, a reference or an option that makes no sense
    │   ├── UnknownName                2   no such restorer, board, recipe, metric, weight, ...
    │   └── ConfigError                2   a TOML file with a wrong key or value
    ├── PluginError                    2   a broken plugin, met when it is used
    ├── InputError                     2   an image, an archive or a data set that cannot be used
    ├── WeightsError                   2   a weight file that is missing, altered or unsafe
    ├── OutputError                    2   a file or folder that cannot be written: a full disk, a read-only place
    ├── RestorerError                  2   a restorer that failed; in a run it fails images, not the run
    │   └── BadShape                   2   it answered with another shape or type than it was asked for
    ├── Diverged                       2   a training that ran into NaN or infinity
    ├── RegressionFound                1   the gate's verdict
    ├── NotComparable                  3   two results that rest on different choices
    └── TooLittleMeasured              4   nothing, or too little, to say anything

Anything else that reaches the command line is a crash (70), and Ctrl-C is 130.
An error is one sentence: what is wrong and where, then what to do next.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

EXIT_CRASH = 70
EXIT_INTERRUPTED = 130


class BfrbenchError(Exception):
    """What is wrong (and where), and what to do about it."""

    exit_code = 2

    def __init__(self, problem: str, remedy: str) -> None:
        super().__init__(problem, remedy)
        self.problem = problem
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.problem}; {self.remedy}"


class UsageError(BfrbenchError):
    """A command line, a reference or an option that makes no sense."""


class ConfigError(UsageError):
    """A TOML file with a wrong key or value."""


class UnknownName(UsageError):
    """A name that nothing answers to."""

    def __init__(self, kind: str, name: str, known: Iterable[str], remedy: str = "") -> None:
        self.kind, self.name, self.known = kind, name, sorted(known)
        super().__init__(f"there is no {kind} named {name!r}", remedy or suggestion(name, self.known))

    def __reduce__(self) -> tuple[type[UnknownName], tuple[str, str, list[str], str]]:
        return UnknownName, (self.kind, self.name, self.known, self.remedy)


class PluginError(BfrbenchError):
    """A broken plugin, met when it is used."""


class InputError(BfrbenchError):
    """An image, an archive or a data set that cannot be used."""


class WeightsError(BfrbenchError):
    """A weight file that is missing, altered or unsafe."""


class OutputError(BfrbenchError):
    """A file or folder that cannot be written: a full disk, a read-only place."""


class RestorerError(BfrbenchError):
    """A restorer that failed; in a run it fails images, not the run."""


class BadShape(RestorerError):
    """A restorer's answer has another shape or type than it was asked for."""


class Diverged(BfrbenchError):
    """A training that ran into NaN or infinity."""


class RegressionFound(BfrbenchError):
    """The gate's verdict."""

    exit_code = 1


class NotComparable(BfrbenchError):
    """Two results that rest on different choices."""

    exit_code = 3


class TooLittleMeasured(BfrbenchError):
    """Nothing, or too little, to say anything."""

    exit_code = 4


def suggestion(name: str, known: Iterable[str]) -> str:
    """The remedy for a misspelt name: the nearest known ones, else all of them."""
    known = sorted(known)
    near = difflib.get_close_matches(name, known, n=3, cutoff=0.6)
    if near:
        return f"did you mean {' or '.join(near)}?"
    if not known:
        return "none is known here"
    shown = ", ".join(known[:20]) + (f" and {len(known) - 20} more" if len(known) > 20 else "")
    return f"known are {shown}"
