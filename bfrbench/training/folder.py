"""The folder of a run: what it was started with, which checkpoint to go on from, and what must not be written over."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeAlias

from bfrbench import atomic
from bfrbench.errors import NotComparable, UsageError
from bfrbench.training import checkpoint
from bfrbench.training.journal import STATS

_ORDER = "order.json"
_LOCK = ".lock"

Change: TypeAlias = "dict[str, Any]"
"""Settings that were other from a checkpoint on: `at` how many images, and `what`."""


@dataclass(frozen=True)
class Seen:
    """What a training has rested on until now, whatever it was changed to on the way."""

    data: tuple[str, ...] = ()
    loss_networks: tuple[str, ...] = ()

    def then(self, data: Iterable[str], loss_networks: Iterable[str]) -> Seen:
        """With what came before it, each once."""
        networks = dict.fromkeys([*self.loss_networks, *loss_networks])
        return Seen(tuple(dict.fromkeys([*self.data, *data])), tuple(networks))


@contextmanager
def alone(out: Path) -> Iterator[None]:
    """One training at a time in a folder: two would remove each other's checkpoints. A start that wrote nothing leaves
    no folder."""
    import filelock

    if out.exists() and not out.is_dir():
        raise UsageError(f"{out} is a file, and a training needs a folder", "give another one with --out")
    ours = not out.exists()
    with atomic.told(out):
        out.mkdir(parents=True, exist_ok=True)
    held = filelock.FileLock(out / _LOCK, blocking=False)
    try:
        held.acquire()
    except filelock.Timeout as error:
        problem = f"another process trains in {out} at this moment"
        raise UsageError(problem, "wait for it or stop it, or choose another folder; several GPUs: torchrun") from error
    try:
        yield
    finally:
        if ours:
            with suppress(OSError):  # something was written: the folder stays
                if [path.name for path in out.iterdir()] == [_LOCK]:
                    (out / _LOCK).unlink()
                    out.rmdir()
        held.release()


def refuse_taken(out: Path) -> None:
    """A start that failed leaves no checkpoint and no stats: such a folder is free for the next try."""
    if checkpoint.all_of(out) or (out / STATS).exists():
        raise UsageError(f"{out} holds a training already", "go on with --resume, or choose another folder")


def claim(
    out: Path, order: dict[str, Any], digest: str, changes: list[Change], origin: dict[str, Any] | None, seen: Seen
) -> None:
    """Write down what is trained here and from what, once everything that it reads is open. `seen` is what this order
    and those before it rest on."""
    held = {"digest": digest, "order": order, "changes": changes, "origin": origin, "seen": asdict(seen)}
    atomic.write_json(out / _ORDER, held)


def holds_run(out: Path) -> bool:
    return (out / _ORDER).is_file()


def seen(out: Path) -> Seen:
    """By a training in a folder; one that was claimed before this was written down knows its last order alone."""
    held = _read(out)
    told = held.get("seen") or {"data": [name for name, _ in held["order"]["data"]], "loss_networks": []}
    return Seen(tuple(told["data"]), tuple(told["loss_networks"]))


def changes(out: Path) -> list[Change]:
    """What was changed on the way, oldest first."""
    kept: list[Change] = _read(out).get("changes", [])
    return kept


def origin(out: Path) -> dict[str, Any] | None:
    """What the training in a folder started from, as it was written down then."""
    told: dict[str, Any] | None = _read(out).get("origin")
    return told


def ordered(out: Path) -> dict[str, Any]:
    """What the training in a folder was started with."""
    order: dict[str, Any] = _read(out)["order"]
    return order


def to_go_on(
    out: Path, now: dict[str, Any], before: dict[str, Any], *, change: bool
) -> tuple[Path | None, list[Change]]:
    """The last checkpoint (none where a training was killed before its first), and what was changed on the way.

    Other settings than before are refused, unless `change` asks for them: then they are written down.
    """
    different = _differing(before, now)
    if different and not change:
        problem = f"{out} was trained with other settings ({', '.join(different)})"
        raise NotComparable(problem, "resume with the same ones, or add --change to go on with these and have it noted")
    kept = checkpoint.all_of(out)
    place = kept[-1] if kept else None
    noted = [{"at": int(place.name) if place else 0, "what": different}] if different else []
    return place, [*changes(out), *noted]


def _read(out: Path) -> dict[str, Any]:
    if not holds_run(out):
        raise UsageError(f"{out} holds no training to resume", "leave --resume out to start one")
    held: dict[str, Any] = json.loads((out / _ORDER).read_text(encoding="utf-8"))
    return held


def _differing(before: Any, now: Any, path: str = "") -> list[str]:
    if isinstance(before, dict) and isinstance(now, dict):
        keys = sorted({*before, *now})
        return [name for key in keys for name in _differing(before.get(key), now.get(key), f"{path}.{key}".lstrip("."))]
    return [] if before == now else [f"{path}: {before!r} then, {now!r} now"]
