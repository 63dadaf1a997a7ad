"""One sentence for each thing that can go wrong with a weight file."""

from __future__ import annotations

import errno
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from bfrbench.errors import WeightsError
from bfrbench.weights.card import WeightCard

_FULL = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the quota is used up",
    errno.EFBIG: "no larger file may be made",
}
_CLOSED = {errno.EROFS: "it is read-only", errno.EACCES: "permission is denied", errno.EPERM: "permission is denied"}


@contextmanager
def sentences(card: WeightCard, path: Path) -> Iterator[None]:
    """Turn the system's errors about `path` into ours."""
    try:
        yield
    except OSError as error:
        raise from_system(card, path, error) from error


def from_system(card: WeightCard, path: Path, error: OSError) -> WeightsError:
    what = f"weight file {card.name}"
    if error.errno in _FULL:
        need = f"; it needs {card.size:,} bytes" if card.size else ""
        problem = f"{what} cannot be written to {path.parent}: {_FULL[error.errno]}{need}"
        return WeightsError(problem, "free some space, or set BFRBENCH_HOME to another disk; nothing was left behind")
    if error.errno in _CLOSED:
        problem = f"{what}: {path} cannot be used, {_CLOSED[error.errno]}"
        return WeightsError(problem, "set BFRBENCH_HOME to a folder that you may write to")
    if error.errno == errno.ELOOP:
        return WeightsError(f"{what}: {path} is a loop of symbolic links", "remove the link and add the file again")
    return WeightsError(f"{what}: {path} cannot be used ({error.strerror or error})", "check that path")


def missing(card: WeightCard, place: Path, why: Sequence[str]) -> WeightsError:
    """Which file, its digest, where it comes from, and the command that adds a local copy."""
    size = f"{card.size:,} bytes, " if card.size else ""
    problem = f"weight file {card.name} ({card.file}, {size}{card.digest_words}) is not at {place}"
    if why:
        problem += f" and could not be fetched ({'; '.join(why)})"
    origins = [source.label for source in card.sources] + ([card.by_hand] if card.by_hand else [])
    remedy = (
        f"get it from {' or '.join(origins)} [licence: {card.licence}] and run 'bfrbench weights add {card.name} FILE'"
    )
    return WeightsError(problem, remedy)


def wrong_digest(card: WeightCard, where: str, found: str, expected: str) -> WeightsError:
    problem = f"{where} is not weight file {card.name}: its sha256 is {found}, expected {expected}"
    return WeightsError(
        problem, f"remove it with 'bfrbench weights remove {card.name}' and fetch or add the right file"
    )


def wrong_size(card: WeightCard, where: str, found: int) -> WeightsError:
    problem = f"{where} is not weight file {card.name}: it has {found:,} bytes, expected {card.size:,}"
    return WeightsError(problem, f"get it from {' or '.join(s.label for s in card.sources) or card.by_hand}")
