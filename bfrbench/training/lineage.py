"""What a training started from, for the card of its result: the prior's recipe, clock, digest and data."""

from __future__ import annotations

from typing import Any

from bfrbench import digests
from bfrbench.training import checkpoint, folder
from bfrbench.training.card import read_card
from bfrbench.training.settings import start_from


def of_prior(task: dict[str, Any]) -> dict[str, Any] | None:
    """What there is to say of the prior that a `[task]` table names; None where it names none."""
    place = start_from(task.get("prior"), "its prior")
    if place is None:
        return None
    if place.is_file():
        card = read_card(place)
        told = {} if card is None else {"recipe": card.recipe, "images": card.images, "data": list(card.data)}
        return {**told, "file": place.name, "sha256": digests.of_file(place)}
    kept = checkpoint.of_prior(place, "its prior")
    order = folder.ordered(kept.parent.parent)
    return {
        "recipe": order["recipe"]["id"],
        "images": int(kept.name),
        "sha256": digests.of_file(checkpoint.weights_of(kept)),
        "data": [name for name, _ in order["data"]],
    }
