"""Where a card's files lie on this machine: what the user registered, else a folder of its name in the home."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pydantic
from pydantic import Field

from bfrbench import atomic, config, places
from bfrbench.config import Frozen
from bfrbench.data.card import DataCard, find_card
from bfrbench.errors import InputError, UnknownName, UsageError


class Roots(Frozen):
    """One set's places: its own, and those of its low-quality partners."""

    root: Path | None = None
    given: Mapping[str, Path] = Field(default_factory=dict)


def _file(name: str) -> Path:
    return places.home() / "datasets" / f"{name}.json"


def registered(name: str) -> Roots:
    """What was registered for a set; empty when nothing was."""
    path = _file(name)
    if not path.is_file():
        return Roots()
    try:
        return config.parse(json.loads(path.read_text(encoding="utf-8")), Roots, where=str(path))
    except (OSError, ValueError, pydantic.ValidationError) as error:
        raise InputError(
            f"{path} cannot be read ({error})", f"run 'bfrbench datasets add {name} PATH' again"
        ) from error


def register(name: str, root: Path, *, given: str | None = None) -> Roots:
    """Remember where a set, or one of its low-quality partners, lies."""
    card = find_card(name)
    if not root.exists():
        raise UsageError(f"{root} does not exist", "give the folder or archive that holds the images")
    if given is not None and card.partner(given) is None:
        raise UnknownName(f"low-quality partner of {name}", given, [partner.name for partner in card.given])
    known, place = registered(name), root.expanduser().absolute()
    new = Roots(root=known.root, given={**known.given, given: place}) if given else Roots(root=place, given=known.given)
    atomic.write_json(_file(name), new.model_dump(mode="json"))
    return new


def forget(name: str) -> bool:
    """Forget what was registered; no image is touched."""
    path = _file(name)
    if not path.is_file():
        return False
    path.unlink()
    return True


def find_root(card: DataCard) -> Path | None:
    """Where a set lies, or None when it is not here."""
    known = registered(card.id).root or places.home() / "datasets" / card.id
    return known if known.exists() else None


def root_of(card: DataCard) -> Path:
    """Where a set lies, or the error that says how to get it."""
    if (found := find_root(card)) is not None:
        return found
    known = registered(card.id).root
    where = f"was registered at {known}, which is gone" if known else "is not on this machine"
    raise InputError(
        f"data set {card.id!r} {where}",
        f"{card.by_hand.strip()} Then run 'bfrbench datasets add {card.id} PATH'",
    )


def partner_root(card: DataCard, name: str) -> Path:
    """Where a set's low-quality partners lie."""
    known = registered(card.id).given.get(name)
    if known is not None and known.exists():
        return known
    partner = card.partner(name)
    assert partner is not None
    where = f"were registered at {known}, which is gone" if known else "are not on this machine"
    remedy = f"{partner.by_hand.strip()} Then run 'bfrbench datasets add {card.id} PATH --given {name}'"
    raise InputError(f"the low-quality partners {name!r} of {card.id!r} {where}", remedy)
