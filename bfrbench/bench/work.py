"""One process's share of a run: claim a shard, read, restore, score, land; the stages overlap.

Images are read in threads, restored in a thread (or behind it in a process) and scored in this one; each stage is
a bounded number of batches ahead of the next, and the next shard is begun before the last has landed. The threads
share the images of one batch, so that the first is there as soon as can be and few wait half-made.
"""

from __future__ import annotations

import json
import platform
import threading
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from bfrbench.bench import rowtable
from bfrbench.bench.claims import Claims
from bfrbench.bench.inputs import Prepared, prepare, seed_of_sample
from bfrbench.bench.journal import Journal
from bfrbench.bench.manifest import Shard
from bfrbench.bench.overlap import ahead, ordered_map
from bfrbench.bench.recovery import Recovering
from bfrbench.bench.restoring import Answer, Request
from bfrbench.bench.scoring import Scoring
from bfrbench.bench.stage import Stage

if TYPE_CHECKING:
    import pyarrow as pa

OBSERVED = b"bfrbench.observed"
_NOTES_KEPT = 20


@dataclass(frozen=True, slots=True)
class Overlap:
    """How far the stages run ahead of each other; 0 threads and 0 batches is one after the other."""

    readers: int = 2
    batches: int = 2


@dataclass(slots=True)
class Open:
    """A shard in the making."""

    shard: Shard
    parts: list[pa.Table]
    observed: list[dict[str, Any]]
    """What was seen while its rows were made, once for each process that worked on it."""
    rows: int = 0


@dataclass(frozen=True, slots=True)
class Job:
    """One batch to do."""

    open: Open
    ids: tuple[str, ...]


@dataclass
class Work:
    """One process at work on a journal."""

    stage: Stage
    journal: Journal
    claims: Claims
    engine: Recovering
    scoring: Scoring
    stop: threading.Event
    overlap: Overlap = Overlap()
    device: str = "cpu"
    """The device's own name, for the record."""
    first: int = 0
    """The shard to begin looking at: ranks that begin apart seldom want the same one."""
    sees_ground_truth: bool = False
    sample: int = 0
    point: float | None = None
    on_batch: Callable[[], None] = lambda: None
    on_shard: Callable[[Shard], None] = lambda shard: None
    _open: dict[int, Open] = field(default_factory=dict)

    def once(self) -> int:
        """Work through every shard that is free now; gives their number. Others may still be at theirs."""
        count = 0

        def jobs() -> Iterator[Job]:
            nonlocal count
            for shard in self._free():
                count += 1
                yield from self._jobs(shard)

        wanted = ((job, image_id) for job in jobs() for image_id in job.ids)
        read = ordered_map(self._read, wanted, threads=self.overlap.readers, depth=2 * self.overlap.readers)
        batches = ahead(self._restored(ahead(_gathered(read), self.overlap.batches)), self.overlap.batches)
        try:
            for job, prepared, answer in batches:
                self._add(job, self.scoring.table(prepared, answer), answer)
        finally:
            batches.close()
            self._put_down()
        return count

    def _free(self) -> Iterator[Shard]:
        shards = self.journal.shards
        landed = self.journal.landed()
        for shard in (*shards[self.first :], *shards[: self.first]):
            if self.stop.is_set():
                return
            if shard.number in landed or not self.claims.take(shard.name):
                continue
            if self.journal.has(shard):  # it landed after we looked
                self.claims.release(shard.name)
                continue
            yield shard

    def _jobs(self, shard: Shard) -> Iterator[Job]:
        table = self.journal.opened(shard)
        seen = [] if table is None else json.loads((table.schema.metadata or {}).get(OBSERVED, b"[]"))
        done = 0 if table is None else table.num_rows
        opened = Open(shard, [] if table is None else [table], [*seen, self._observation()], done)
        self._open[shard.number] = opened
        self.claims.tell(shard.name, done)
        if done == len(shard.ids):  # all of it is there, and only landing had failed
            self._land(opened)
            return
        for number, ids in enumerate(shard.batches()):
            if self.stop.is_set():
                return
            if number * shard.batch >= done:
                yield Job(opened, ids)

    def _read(self, wanted: tuple[Job, str]) -> tuple[Job, Prepared]:
        job, image_id = wanted
        return job, prepare(self.stage, image_id)

    def _restored(self, batches: Iterable[tuple[Job, list[Prepared]]]) -> Iterator[tuple[Job, list[Prepared], Answer]]:
        for job, prepared in batches:
            if self.stop.is_set():
                return
            yield job, prepared, self.engine.restore(self._request(prepared))

    def _request(self, prepared: list[Prepared]) -> Request:
        import numpy as np

        truths = [one.gt for one in prepared if one.gt is not None] if self.sees_ground_truth else []
        return Request(
            tuple(one.id for one in prepared),
            tuple(seed_of_sample(one.seed, self.sample) for one in prepared),
            np.stack([one.lq for one in prepared]),
            np.stack(truths) if truths else None,
            self.sample,
            self.point,
        )

    def _add(self, job: Job, table: pa.Table, answer: Answer) -> None:
        opened = job.open
        opened.parts.append(table)
        opened.rows += table.num_rows
        seen = opened.observed[-1]
        seen["seconds"] += answer.seconds
        seen["images"] += table.num_rows
        seen["memory"] = max(seen["memory"], answer.memory)
        seen["macs"] = answer.macs or seen["macs"]
        seen["notes"] = [*seen["notes"], *answer.notes, *self.scoring.notes()][:_NOTES_KEPT]
        self.claims.tell(opened.shard.name, opened.rows)
        if opened.rows == len(opened.shard.ids):
            self._land(opened)
        self.on_batch()

    def _land(self, opened: Open) -> None:
        self.journal.land(opened.shard, _table(opened))
        del self._open[opened.shard.number]
        self.claims.release(opened.shard.name)
        self.on_shard(opened.shard)

    def _observation(self) -> dict[str, Any]:
        """What will be seen while this process works on a shard."""
        return {
            "host": platform.node(),
            "device": self.device,
            "parameters": self.engine.engine.about.get("parameters"),
            "macs": None,
            "images": 0,
            "seconds": 0.0,
            "memory": 0,
            "notes": [],
        }

    def _put_down(self) -> None:
        """Keep what is finished of shards that will not be finished now, and let others have them."""
        for opened in list(self._open.values()):
            if opened.rows:
                self.journal.keep_open(opened.shard, _table(opened))
            self.claims.release(opened.shard.name)
        self._open.clear()


def _gathered(images: Generator[tuple[Job, Prepared], None, None]) -> Generator[tuple[Job, list[Prepared]], None, None]:
    """The images of each batch together."""
    some: list[Prepared] = []
    with closing(images):
        for job, prepared in images:
            some.append(prepared)
            if len(some) == len(job.ids):
                yield job, some
                some = []


def _table(opened: Open) -> pa.Table:
    table = rowtable.join(opened.parts)
    return table.replace_schema_metadata({OBSERVED: json.dumps(opened.observed).encode()})
