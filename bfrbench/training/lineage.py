"""What a training started from, for the card of its result: recipe, clock, digest and data of its prior or weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bfrbench import digests
from bfrbench.training import checkpoint, folder
from bfrbench.training.card import read_card
from bfrbench.training.config import RecipeFile
from bfrbench.training.settings import start_from


def origin(recipe: RecipeFile) -> dict[str, Any] | None:
    """What there is to say of the weights or the prior that a training starts from; None where it has neither."""
    if recipe.run.weights is not None:
        return {"kind": "weights", **_of_file(Path(recipe.run.weights))}
    place = start_from(recipe.task.get("prior"), "its prior")
    if place is None:
        return None
    return {"kind": "prior", **(_of_file(place) if place.is_file() else _of_run(place))}


def _of_file(path: Path) -> dict[str, Any]:
    told: dict[str, Any] = {"file": path.name, "sha256": digests.of_file(path)}
    if card := read_card(path, sha256=told["sha256"]):
        told |= {"recipe": card.recipe, "images": card.images, "data": list(card.data)}
        told |= {"loss_networks": list(card.loss_networks)}
    return told


def _of_run(place: Path) -> dict[str, Any]:
    kept = checkpoint.of_prior(place, "its prior")
    order = folder.ordered(kept.parent.parent)
    return {
        "recipe": order["recipe"]["id"],
        "images": int(kept.name),
        "sha256": digests.of_file(checkpoint.weights_of(kept)),
        "data": [name for name, _ in order["data"]],
    }
