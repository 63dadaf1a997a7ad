"""Where files come from: an installed package, a plugin, an address, or a zip at an address; one process at a time."""

from __future__ import annotations

import importlib.util
import zipfile
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from bfrbench import atomic
from bfrbench.errors import WeightsError
from bfrbench.weights import faults, making
from bfrbench.weights.card import Source, WeightCard
from bfrbench.weights.download import discard, download, part_of

if TYPE_CHECKING:
    from bfrbench.plugins import PluginHost

Accept: TypeAlias = Callable[[WeightCard, Path, Path, str], None]
"""(card, place, file, origin): raises unless `file` may land at `place`."""
_CHUNK = 1 << 20


def packaged(card: WeightCard) -> Path | None:
    """The file inside an installed Python package, found without importing the package."""
    for source in card.sources:
        if source.package:
            spec = importlib.util.find_spec(source.package)
            for folder in (spec.submodule_search_locations or ()) if spec else ():
                path = Path(folder, source.member)
                if path.is_file():
                    return path
    return None


def lock(place: Path, name: str) -> AbstractContextManager[None]:
    """Hold the file's place against other processes."""
    return atomic.alone(_lock_path(place), f"writing weight file {name}")


def leftovers(place: Path) -> list[Path]:
    """What an unfinished download keeps beside the place."""
    return [path for stem in (place, _raw(place)) for path in part_of(stem)]


def fetch(card: WeightCard, place: Path, host: PluginHost | None, accept: Accept) -> None:
    """Land the file from the first source that gives it; the caller holds the lock."""
    why = []
    for source in card.sources:
        if not source.url:
            continue
        try:
            _fetch_one(card, source, place, host, accept)
            return
        except WeightsError as error:
            why.append(error.problem)
    raise faults.missing(card, place, why or ["no program may fetch it"])


def _fetch_one(card: WeightCard, source: Source, place: Path, host: PluginHost | None, accept: Accept) -> None:
    given = _from_plugin(card, source, place, host)
    if given is not None:
        with atomic.landing(place) as landed:
            _copy(given, landed)
            accept(card, place, landed, f"what a plugin gave for {source.url}")
    elif not source.url.startswith(("https://", "http://")):
        raise WeightsError(f"no plugin answers to {source.url}", "install the plugin that does")
    elif source.member or source.make:
        _from_raw(card, source, place, accept)
    else:
        part = download(source.url, place, size=card.size, what=card.name)
        try:
            accept(card, place, part, source.url)
        except WeightsError:
            discard(place)
            raise
        part.replace(place)
        discard(place)


def _from_raw(card: WeightCard, source: Source, place: Path, accept: Accept) -> None:
    """Bring what holds the file, or what it is made from; take the file out of it; throw the rest away."""
    raw = _raw(place)
    part = download(source.url, raw, size=source.archive_size, what=card.name)
    try:
        with atomic.landing(place) as landed:
            if source.make:
                making.make(source.make, part, landed)
            else:
                _extract(part, source, card, landed)
            accept(card, place, landed, source.label)
    finally:
        discard(raw)


def _extract(archive: Path, source: Source, card: WeightCard, to: Path) -> None:
    """Copy one member of a zip, never more bytes than the card (or the zip's own list) allows."""
    try:
        with zipfile.ZipFile(archive) as bundle, bundle.open(source.member) as packed, to.open("wb") as out:
            limit = card.size or bundle.getinfo(source.member).file_size
            while chunk := packed.read(_CHUNK):
                limit -= len(chunk)
                if limit < 0:
                    raise faults.wrong_size(card, source.label, (card.size or 0) - limit)
                out.write(chunk)
    except (zipfile.BadZipFile, KeyError, EOFError, NotImplementedError, RuntimeError) as error:
        problem = f"{source.url} is not a zip that holds {source.member} ({error})"
        raise WeightsError(problem, f"get {card.file} by hand and add it") from error


def _from_plugin(card: WeightCard, source: Source, place: Path, host: PluginHost | None) -> Path | None:
    """What a plugin resolves the address to; checked like any other file."""
    if host is None:
        from bfrbench.plugins import PluginHost

        host = PluginHost()
    for plugin, answer in host.call("bfrbench_resolve_weights", uri=source.url, cache_dir=place.parent):
        if answer is None:
            continue
        if not isinstance(answer, Path) or not answer.is_file():
            problem = f"plugin {plugin!r} gave {answer!r} for {source.url}, which is not a file"
            raise WeightsError(problem, f"mend the plugin, or leave it out with BFRBENCH_PLUGINS ({card.name})")
        return answer
    return None


def refuse_web_page(card: WeightCard, file: Path, origin: str) -> None:
    """A page that says 'log in' or 'not found' must not be recorded as the digest of a network."""
    with file.open("rb") as opened:
        head = opened.read(64).lstrip().lower()
    if head.startswith((b"<!doctype", b"<html", b"<?xml", b"version https://git-lfs")) or not head:
        what = "a Git LFS pointer" if head.startswith(b"version") else "a web page" if head else "an empty file"
        raise WeightsError(f"{origin} is {what}, not weight file {card.name}", "get the file itself and add it")


def _copy(source: Path, to: Path) -> None:
    with source.open("rb") as reading, to.open("wb") as writing:
        while chunk := reading.read(_CHUNK):
            writing.write(chunk)


def _raw(place: Path) -> Path:
    return place.with_name(f"{place.name}.raw")


def _lock_path(place: Path) -> Path:
    return place.with_name(f".{place.name}.lock")
