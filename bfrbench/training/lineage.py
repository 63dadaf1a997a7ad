"""What a training started from, for the card of its result: recipe, clock, digest and data of its prior or weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bfrbench import digests
from bfrbench.training import checkpoint, folder
from bfrbench.training.card import UNKNOWN, read_card


def origin(weights: str | None, prior: Path | None) -> dict[str, Any] | None:
    """What there is to say of the weights or the prior that a training starts from; None where it has neither."""
    if weights is not None:
        return {"kind": "weights", **_of_file(Path(weights))}
    if prior is None:
        return None
    return {"kind": "prior", **(_of_file(prior) if prior.is_file() else _of_checkpoint(prior))}


def _of_file(path: Path) -> dict[str, Any]:
    told: dict[str, Any] = {"file": path.name, "sha256": digests.of_file(path)}
    card = read_card(path, sha256=told["sha256"])
    if card is None:
        return {**told, "data": [UNKNOWN]}
    told |= {"recipe": card.recipe, "images": card.images, "data": list(card.data)}
    return told | {"loss_networks": list(card.loss_networks)}


def _of_checkpoint(place: Path) -> dict[str, Any]:
    """A checkpoint that was copied out of its run brings nothing but itself."""
    told = {"images": checkpoint.images_of(place), "sha256": digests.of_file(checkpoint.weights_of(place))}
    run = checkpoint.run_of(place)
    if run is None or not folder.holds_run(run):
        return {**told, "data": [UNKNOWN]}
    before = folder.origin(run) or {}
    seen = folder.seen(run).then(before.get("data", []), before.get("loss_networks", []))
    told |= {"recipe": folder.ordered(run)["recipe"]["id"], "data": list(seen.data)}
    return told | ({"loss_networks": list(seen.loss_networks)} if seen.loss_networks else {})
