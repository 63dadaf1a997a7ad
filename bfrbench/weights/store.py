"""The store: from a card's name to a verified file in the user's folder, or to one sentence that says how to get it.

A file lies at `HOME/weights/NAME/FILE`. How files are had from elsewhere is `acquire`'s business, how they are
read is `reading`'s.
"""

from __future__ import annotations

import functools
import os
import shutil
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from bfrbench import atomic, digests, places
from bfrbench.digests import Digest
from bfrbench.errors import UnknownName, WeightsError
from bfrbench.weights import acquire, faults, record
from bfrbench.weights.card import WeightCard, shipped_cards

if TYPE_CHECKING:
    from bfrbench.plugins import PluginHost


@dataclass(frozen=True, slots=True)
class Verdict:
    """What `verify` found."""

    name: str
    state: Literal["ok", "missing", "bad"]
    path: Path
    sha256: Digest | None = None
    reason: str = ""


class WeightStore:
    """Weight files of one user folder. Every path that it gives was verified by this store."""

    def __init__(
        self,
        home: Path | None = None,
        offline: bool | None = None,
        *,
        cards: Mapping[str, WeightCard] | None = None,
        host: PluginHost | None = None,
    ) -> None:
        self.folder = (home or places.home()) / "weights"
        self.offline = places.offline() if offline is None else offline
        self._given = cards
        self._host = host
        self._verified: dict[Path, tuple[tuple[int, ...], Digest]] = {}

    @property
    def cards(self) -> Mapping[str, WeightCard]:
        """Every card: bfrbench's own, and those that plugins bring."""
        return self._given if self._given is not None else shipped_cards() | self._offered[0]

    @property
    def faults(self) -> list[str]:
        """A sentence for each card of a plugin that cannot be used."""
        return [] if self._given is not None else self._offered[1]

    @functools.cached_property
    def _offered(self) -> tuple[dict[str, WeightCard], list[str]]:
        from bfrbench.plugins import PluginHost
        from bfrbench.weights.offered import offered_cards

        self._host = self._host or PluginHost()
        return offered_cards(self._host, shipped_cards())

    def card(self, name: str) -> WeightCard:
        """The card of that name; plugins are loaded only for a name that is not bfrbench's own."""
        if self._given is None and name in shipped_cards():
            return shipped_cards()[name]
        if name not in self.cards:
            unknown = UnknownName("weight file", name, self.cards)
            unknown.remedy = "; ".join([unknown.remedy, *self.faults])
            raise unknown
        return self.cards[name]

    def place(self, name: str) -> Path:
        """Where the file lies when it is in the user's folder."""
        card = self.card(name)
        return self.folder / card.name / card.file

    def path(self, name: str) -> Path:
        """A verified local file; fetched first where it is missing and downloads are allowed."""
        return self.find(name) or self.fetch(name)

    def find(self, name: str) -> Path | None:
        """The verified local file, or None where there is none; downloads nothing."""
        found = self.locate(name)
        if found is not None:
            self._check(self.card(name), found)
        return found

    def locate(self, name: str) -> Path | None:
        """The local file as it stands, not verified: in the user's folder, else in an installed package."""
        card, place = self.card(name), self.place(name)
        for candidate in (place, acquire.packaged(card)):
            if candidate is not None and self._status(card, candidate) is not None:
                return candidate
        return None

    def digest(self, name: str) -> Digest:
        """The sha256 of the file that `path` gives."""
        return self._check(self.card(name), self.path(name))

    def fetch(self, name: str) -> Path:
        """Download the file unless it is here; processes that ask at the same time download it once."""
        card, place = self.card(name), self.place(name)
        if found := self.find(name):
            return found
        if self.offline:
            raise faults.missing(card, place, ["downloads are off: --offline or BFRBENCH_OFFLINE"])
        with faults.sentences(card, place):
            place.parent.mkdir(parents=True, exist_ok=True)
            with acquire.lock(place, card.name):
                if found := self.find(name):
                    return found
                acquire.fetch(card, place, self._host, self._accept)
        return place

    def add(self, name: str, file: Path) -> Path:
        """Copy a local file into the store, if it is the right one."""
        card, place = self.card(name), self.place(name)
        status = self._status(card, file)
        if status is None:
            raise WeightsError(f"there is no file {file} to add as {name}", "check the path")
        with faults.sentences(card, place):
            place.parent.mkdir(parents=True, exist_ok=True)
            with acquire.lock(place, card.name), atomic.landing(place) as part:
                shutil.copyfile(file, part)
                self._accept(card, place, part, str(file))
        return place

    def add_folder(self, folder: Path) -> dict[str, Path]:
        """Add every file of a folder that a card knows: by its digest, or by its name where none is published."""
        if not folder.is_dir():
            raise WeightsError(f"there is no folder {folder} to add weight files from", "check the path")
        try:
            files = sorted(path for path in folder.iterdir() if path.is_file())
            known = {name: file for file in files for name in self._knows(file)}
        except OSError as error:
            problem = f"{error.filename or folder} cannot be read ({error.strerror or error})"
            raise WeightsError(problem, "check its permissions") from error
        return {name: self.add(name, file) for name, file in known.items()}

    def _knows(self, file: Path) -> list[str]:
        size = file.stat().st_size
        able = [card for card in self.cards.values() if card.size in (None, size)]
        digest = digests.of_file(file) if any(card.sha256 for card in able) else ""
        return [card.name for card in able if (card.sha256 == digest if card.sha256 else card.file == file.name)]

    def verify(self, name: str) -> Verdict:
        """Hash the file again and say what it is; nothing is downloaded."""
        place = self.place(name)
        self._verified.clear()
        try:
            found = self.find(name)
        except WeightsError as error:
            return Verdict(name, "bad", place, None, str(error))
        if found is None:
            return Verdict(name, "missing", place)
        return Verdict(name, "ok", found, self._check(self.card(name), found))

    def remove(self, name: str, *, forget: bool = False) -> bool:
        """Remove the file and what an unfinished download left; True where there was something.

        The recorded digest of a file that has no published one stays, unless `forget`.
        """
        card, place = self.card(name), self.place(name)
        doomed = [place, *acquire.leftovers(place)] + ([record.record_path(place)] if forget else [])
        there = [path for path in doomed if os.path.lexists(path)]
        with faults.sentences(card, place):
            for path in there:
                path.unlink()
        self._verified.pop(place, None)
        return bool(there)

    def _status(self, card: WeightCard, path: Path) -> os.stat_result | None:
        """What the system says of a file, None where there is none."""
        try:
            status = path.stat()
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise faults.from_system(card, path, error) from error
        if not stat.S_ISREG(status.st_mode):
            raise WeightsError(f"{path} is not a regular file", f"put weight file {card.name} there, or remove it")
        return status

    def _check(self, card: WeightCard, path: Path) -> Digest:
        """The digest of the file, which is the right one; hashed once as long as the file does not change."""
        status = self._status(card, path)
        if status is None:
            raise faults.missing(card, path, [])
        signature = (status.st_size, status.st_mtime_ns, status.st_ino)
        known = self._verified.get(path)
        if known is None or known[0] != signature:
            self._accept(card, path, path, str(path))
        return self._verified[path][1]

    def _accept(self, card: WeightCard, place: Path, file: Path, origin: str) -> None:
        """Refuse `file` unless it is what the card, or the record of its first use, says."""
        with faults.sentences(card, file):
            status = file.stat()
            if card.size is not None and status.st_size != card.size:
                raise faults.wrong_size(card, origin, status.st_size)
            digest = digests.of_file(file)
        expected = card.sha256 or record.recall(place) or card.sha256_prefix
        if expected is not None and not digest.startswith(expected):
            raise faults.wrong_digest(card, origin, digest, expected)
        if card.sha256 is None and record.recall(place) is None:
            acquire.refuse_web_page(card, file, origin)
            with faults.sentences(card, place):
                record.remember(place, digest)
        if file == place:
            self._verified[file] = ((status.st_size, status.st_mtime_ns, status.st_ino), digest)
