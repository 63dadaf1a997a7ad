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


def refuse_taken(out: Path) -> None:
    """A start that failed leaves no checkpoint and no stats: such a folder is free for the next try."""
    if checkpoint.all_of(out) or (out / STATS).exists():
        raise UsageError(f"{out} holds a training already", "go on with --resume, or choose another folder")


def claim(out: Path, order: dict[str, Any], digest: str) -> None:
    """Write down what is trained here, once everything that it reads is open."""
    atomic.write_json(out / _ORDER, {"digest": digest, "order": order})


def ordered(out: Path) -> dict[str, Any]:
    """What the training in a folder was started with."""
    path = out / _ORDER
    if not path.is_file():
        raise UsageError(f"{out} holds no training to resume", "leave --resume out to start one")
    order: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))["order"]
    return order


def to_go_on(out: Path, now: dict[str, Any], before: dict[str, Any]) -> Path | None:
    """The last checkpoint (none where a training was killed before its first), if the settings are the same."""
    if different := ", ".join(_differing(before, now)):
        raise NotComparable(f"{out} was trained with other settings ({different})", "resume with the same ones")
    kept = checkpoint.all_of(out)
    return kept[-1] if kept else None


def _differing(before: Any, now: Any, path: str = "") -> list[str]:
    if isinstance(before, dict) and isinstance(now, dict):
        keys = sorted({*before, *now})
        return [name for key in keys for name in _differing(before.get(key), now.get(key), f"{path}.{key}".lstrip("."))]
    return [] if before == now else [f"{path}: {before!r} then, {now!r} now"]
