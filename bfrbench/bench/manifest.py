"""The manifest of a run: everything that was chosen, written before the first image, and the fixed cut into work.

Shards and batches are a pure function of the manifest, so that whoever computes a shard computes the same bits.
"""

from __future__ import annotations

import contextlib
import json
import os
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from bfrbench import atomic, config
from bfrbench.bench.board import Board
from bfrbench.config import Frozen
from bfrbench.digests import Digest
from bfrbench.errors import InputError, UsageError

FILE = "manifest.json"


class RestorerIdentity(Frozen):
    """Which restorer answers, and with what settings."""

    ref: str
    id: str
    argument: str | None = None
    options: dict[str, Any]
    plugin: str
    package: str
    version: str
    precision: str = "float32"
    sample: int = 0
    point: float | None = None
    weights: dict[str, Digest]
    """The digest of every file that its answer is known to depend on."""


class Choices(Frozen):
    """What decides the results. Two processes may work in one folder exactly when these are equal."""

    board: Board
    board_digest: Digest
    dataset_digest: Digest
    degradation_digest: Digest | None
    protocol_digest: Digest
    metrics: tuple[str, ...] = ()
    """The metrics that were asked for; () for the whole protocol."""
    restorer: RestorerIdentity
    limit: int | None = None
    batch: int
    shard: int
    threads: int
    """Threads of each process: sums on a CPU depend on it in their last bit."""
    device: str
    """The kind of device: `cpu`, `cuda`, `mps`."""
    save_images: bool = False
    time_limit: float
    versions: dict[str, str]
    metric_weights: dict[str, Digest | None] = Field(default_factory=dict)
    """Of every file that a metric measures with, as it lies here: cards need not know it. None in a draft for one that
    is still to be fetched."""
    source: dict[str, Digest] = Field(default_factory=dict)
    """Of the code itself, which is edited between two versions: rows of two states of it are not mixed."""


class Manifest(Frozen):
    """The file."""

    schema_version: Literal["1"] = "1"
    created: str
    git: str | None = None
    """The commit of the checkout that started the run, with `+changes` when it had uncommitted ones."""
    total: int
    """Images of the whole set."""
    choices: Choices
    ids: tuple[str, ...]

    def shards(self) -> list[Shard]:
        """The work, cut."""
        size = self.choices.shard
        return [
            Shard(number, self.ids[start : start + size], self.choices.batch)
            for number, start in enumerate(range(0, len(self.ids), size))
        ]


@dataclass(frozen=True, slots=True)
class Shard:
    """Images whose rows land together."""

    number: int
    ids: tuple[str, ...]
    batch: int

    @property
    def name(self) -> str:
        return f"shard-{self.number:05d}"

    def batches(self) -> Iterator[tuple[str, ...]]:
        """The images that are restored and scored together."""
        for start in range(0, len(self.ids), self.batch):
            yield self.ids[start : start + self.batch]


def adopt(folder: Path, draft: Manifest, *, any_threads: bool = False) -> Manifest:
    """Write the manifest of a new run, or take the one that is there if its choices are the same; with `any_threads`
    also one that has another number of threads, which is the run's and not the machine's."""
    path = folder / FILE
    if not path.exists():
        _write_first(path, draft)
    found = read(folder)
    if any_threads:
        choices = draft.choices.model_copy(update={"threads": found.choices.threads})
        draft = draft.model_copy(update={"choices": choices})
    if differences := list(_differences(found, draft)):
        shown = "; ".join(differences[:6])
        problem = f"{folder} holds another run ({shown})"
        raise UsageError(problem, "give another folder with --out, or repeat the command that started it")
    return found


def read(folder: Path) -> Manifest:
    path = folder / FILE
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise InputError(f"{folder} holds no run: there is no {FILE}", "give the folder of a run") from error
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read ({error})", "remove that folder and run again") from error
    return config.parse(data, Manifest, where=str(path))


def _write_first(path: Path, draft: Manifest) -> None:
    """Of several processes that start together, one writes the manifest and the others take it."""
    text = json.dumps(draft.model_dump(mode="json"), indent=1, ensure_ascii=False) + "\n"
    mine = path.with_name(f".{path.stem}.{uuid.uuid4().hex}{path.suffix}")
    atomic.write_text(mine, text)
    try:
        os.link(mine, path)
    except FileExistsError:
        pass
    except OSError:  # a file system without hard links: the last of them stays
        mine.replace(path)
    finally:
        with contextlib.suppress(FileNotFoundError):
            mine.unlink()


def _differences(found: Manifest, draft: Manifest) -> Iterator[str]:
    there, here = (manifest.choices.model_dump(mode="json", exclude={"board"}) for manifest in (found, draft))
    weights = there["metric_weights"], here["metric_weights"]
    known = [name for name in weights[0] if all(side.get(name) for side in weights)]  # else one is still to be fetched
    for side, manifest in ((there, found), (here, draft)):
        side |= {"board": manifest.choices.board.name, "images": len(manifest.ids)}
        side["metric_weights"] = {name: side["metric_weights"][name] for name in known}
    yield from _compare(there, here, "")
    if len(found.ids) == len(draft.ids) and found.ids != draft.ids:
        yield "the ids of the images differ"


def _compare(there: Any, here: Any, at: str) -> Iterator[str]:
    if isinstance(there, dict) and isinstance(here, dict):
        for key in sorted({*there, *here}):
            yield from _compare(there.get(key), here.get(key), f"{at}.{key}" if at else key)
    elif there != here:
        yield f"{at}: {there!r:.60} there, {here!r:.60} here"
