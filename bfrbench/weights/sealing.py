"""A seal around other people's code: while it builds a network it uses the files it is handed, and nothing else.

Libraries that find no file download one, without a digest and often by unsafe unpickling, or take what lies in a
cache of their own. Under the seal such an attempt is an error that names the library, even where the library
swallows it and goes on with random numbers.
"""

from __future__ import annotations

import contextlib
import io
import os
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bfrbench.errors import WeightsError

_ONLY_WEIGHTS = "TORCH_FORCE_WEIGHTS_ONLY_LOAD"
_here = threading.local()
_guard = threading.Lock()
_holders = 0
_chosen: str | None = None
"""What the user had set before the first seal."""
_watching = False


class _Refused(Exception):
    """Raised into the library at the attempt itself."""


@dataclass
class _Seal:
    caches: tuple[str, ...]
    attempts: list[str] = field(default_factory=list)


@contextlib.contextmanager
def sealed(what: str) -> Iterator[None]:
    """Run code of a library; `what` names it in the error. It holds for this thread; what is printed is dropped."""
    _watch()
    outer: _Seal | None = getattr(_here, "seal", None)
    seal = _here.seal = _Seal(_caches())
    _count(1)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    except Exception as error:
        if seal.attempts:
            raise _broken(what, seal) from error
        raise
    finally:
        _count(-1)
        _here.seal = outer
    if seal.attempts:
        raise _broken(what, seal)


def _broken(what: str, seal: _Seal) -> WeightsError:
    problem = f"{what} tried to use {', '.join(dict.fromkeys(seal.attempts))}, which nobody verified, and was not let"
    return WeightsError(problem, "bfrbench has no card for a file that it needs: choose another that has")


def _caches() -> tuple[str, ...]:
    """Where libraries keep what they fetched by themselves."""
    import torch

    home = Path.home()
    hub = os.environ.get("HF_HUB_CACHE") or os.environ.get("HF_HOME") or str(home / ".cache" / "huggingface")
    return tuple(f"{folder}{os.sep}" for folder in (torch.hub.get_dir(), hub, str(home / ".insightface")))


def _watch() -> None:
    """Python's own audit events see every connection and file, whatever library asks; a hook cannot be taken off."""
    global _watching
    with _guard:
        if not _watching:
            sys.addaudithook(_refuse)
            _watching = True


def _refuse(event: str, arguments: tuple[Any, ...]) -> None:
    seal: _Seal | None = getattr(_here, "seal", None)
    if seal is None:
        return
    if event == "socket.getaddrinfo":
        attempt = str(arguments[0])
    elif event == "socket.connect" and isinstance(arguments[1], tuple):
        attempt = str(arguments[1][0])
    elif event == "open" and isinstance(arguments[0], str) and arguments[0].startswith(seal.caches):
        attempt = arguments[0]
    else:
        return
    seal.attempts.append(attempt)
    raise _Refused(attempt)


def _count(step: int) -> None:
    """torch.load refuses code for as long as any thread holds a seal, even where a library asks it not to."""
    global _holders, _chosen
    with _guard:
        if not _holders:
            _chosen = os.environ.get(_ONLY_WEIGHTS)
        _holders += step
        if _holders:
            os.environ[_ONLY_WEIGHTS] = "1"
        elif _chosen is None:
            del os.environ[_ONLY_WEIGHTS]
        else:
            os.environ[_ONLY_WEIGHTS] = _chosen
