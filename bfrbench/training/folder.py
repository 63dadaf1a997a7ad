"""The folder of a run: what it was started with, which checkpoint to go on from, and what must not be written over."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from bfrbench import atomic
from bfrbench.errors import NotComparable, UsageError
from bfrbench.training import checkpoint
from bfrbench.training.journal import STATS

_ORDER = "order.json"


def place_to_go_on(out: Path, order: dict[str, Any], digest: str, *, resume: bool) -> Path | None:
    """The checkpoint to go on from; a folder of another training, or one that would be written over, is refused.

    A start that failed leaves no checkpoint and no stats: such a folder is free for the next try.
    """
    kept = checkpoint.all_of(out)
    written = out / _ORDER
    if not resume:
        if kept or (out / STATS).exists():
            raise UsageError(f"{out} holds a training already", "go on with --resume, or choose another folder")
        return None
    if not written.exists():
        raise UsageError(f"{out} holds no training to resume", "leave --resume out to start one")
    before = json.loads(written.read_text(encoding="utf-8"))
    if before["digest"] != digest:
        different = ", ".join(_differing(before["order"], order))
        raise NotComparable(f"{out} was trained with other settings ({different})", "resume with the same ones")
    return kept[-1] if kept else None


def claim(out: Path, order: dict[str, Any], digest: str) -> None:
    """Write down what is trained here, once everything that it reads is open."""
    atomic.write_json(out / _ORDER, {"digest": digest, "order": order})


def _differing(before: Any, now: Any, path: str = "") -> list[str]:
    if isinstance(before, dict) and isinstance(now, dict):
        keys = sorted({*before, *now})
        return [name for key in keys for name in _differing(before.get(key), now.get(key), f"{path}.{key}".lstrip("."))]
    return [] if before == now else [f"{path}: {before!r} then, {now!r} now"]
