"""How far a run is, whoever works on it: shards that landed, batches in hand here, and what others say of theirs."""

from __future__ import annotations

import time
from dataclasses import dataclass

from bfrbench.bench.claims import Claims
from bfrbench.bench.journal import Journal
from bfrbench.progress import Progress

_SECONDS_BETWEEN_LOOKS = 1.0


def images_done(journal: Journal, claims: Claims) -> int:
    """Images whose rows are made. Looks where work is first and where it goes last, so that nothing slips through."""
    told, kept = claims.told(), journal.kept()
    landed = journal.landed()
    return sum(
        len(shard.ids) if shard.number in landed else max(told.get(shard.name, 0), kept.get(shard.name, 0))
        for shard in journal.shards
    )


@dataclass
class Headway:
    """Keeps what is shown of a run true; looking costs a listing of its folder, so it is done now and then."""

    journal: Journal
    claims: Claims
    shown: Progress
    _looked: float = 0.0

    def look(self) -> None:
        if time.monotonic() - self._looked >= _SECONDS_BETWEEN_LOOKS:
            self.look_now()

    def look_now(self) -> None:
        self.shown.reach(images_done(self.journal, self.claims))
        self._looked = time.monotonic()
