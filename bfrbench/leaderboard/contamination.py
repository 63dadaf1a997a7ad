"""Whether a model was trained on a board's images, as far as the cards of data sets tell."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from bfrbench.data.card import cards

Seen = Literal["yes", "perhaps", "no"]


def contamination(test: str, trained_on: Iterable[str]) -> list[str]:
    """What a reader of a board over the set `test` must know of a model that declares these training sets."""
    seen = {one: has_seen(test, one) for one in trained_on}
    if "yes" in seen.values():
        return ["trained on the test set"]
    shared = ", ".join(one for one, answer in seen.items() if answer == "perhaps")
    return [f"may have been trained on images of the test set, by {shared}"] if shared else []


def has_seen(test: str, trained: str) -> Seen:
    """Whether training on one set showed images of another; `perhaps` where both only share a source."""
    (name, part), (other, other_part) = _parsed(test), _parsed(trained)
    if name == other:
        return "no" if part and other_part and part != other_part else "yes"
    sources, other_sources = _sources(name), _sources(other)
    whole_source = other in sources and not other_part
    own_part = name in other_sources and not part
    if whole_source or own_part:
        return "yes"
    return "perhaps" if sources & other_sources else "no"


def _parsed(reference: str) -> tuple[str, str]:
    """A set and which part of its images is meant: nothing for all, also for all at a size or beside given partners."""
    name, _, part = reference.partition(":")
    card = cards().get(name)
    everything = part.isdecimal() or (card is not None and card.partner(part) is not None)
    return name, "" if everything else part


def _sources(name: str) -> frozenset[str]:
    card = cards().get(name)
    return card.sources if card is not None else frozenset({name})
