"""LMD: the mean distance between dense landmarks found on the restored face and on the true one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np
from pydantic import Field

from bfrbench.config import Frozen
from bfrbench.contracts import Row, Scored
from bfrbench.errors import ConfigError
from bfrbench.imaging.convert import from_batch
from bfrbench.metrics.kind import Kind, Measure
from bfrbench.metrics.per_image import ground_truth

if TYPE_CHECKING:
    from bfrbench.contracts import Points, U8Image
    from bfrbench.weights import WeightStore

    Finder: TypeAlias = Callable[[Sequence[U8Image]], Sequence[Points]]

_EYES = {98: (60, 72), 68: (36, 45)}
"""The outer corners of the eyes, by the number of landmarks."""
_AWING = "awing-wflw98"


class LandmarkChoices(Frozen):
    """What LMD has to choose."""

    engine: str = Field(description="the landmark network, by the name of its weight card")
    reading: Literal["own", "facexlib"] = Field(
        description="own: heat maps read with each point's own neighbours; facexlib: its get_landmarks as it stands, "
        "where one point at the border spoils the quarter steps of all"
    )
    normalise: Literal["none", "eye-distance"] = Field(
        description="none: pixels; eye-distance: per cent of the true face's outer eye corners' distance"
    )


class LandmarkPairs:
    """One row per image."""

    def __init__(self, find: Finder, normalise: Literal["none", "eye-distance"]) -> None:
        self._find, self._normalise = find, normalise

    def rows(self, batch: Scored) -> Sequence[Row]:
        ours, theirs = (self._find(from_batch(side)) for side in (batch.restored, ground_truth(batch)))
        return [self._row(name, a, b) for name, a, b in zip(batch.ids, ours, theirs, strict=True)]

    def _row(self, name: str, ours: Points, theirs: Points) -> Row:
        distance = float(np.linalg.norm(ours.astype(float) - theirs, axis=1).mean())
        if self._normalise == "none":
            return Row(name, value=distance)
        left, right = (theirs[corner].astype(float) for corner in _EYES[len(theirs)])
        between = float(np.linalg.norm(right - left))
        return Row(name, value=100 * distance / between) if between > 0 else Row(name, "no_face")


def facexlib_awing(store: WeightStore | None, device: str) -> Finder:
    """facexlib's own way from picture to points, one picture at a time."""
    from facexlib.alignment.awing_arch import FAN

    from bfrbench.faces.networks import fill, store_or_default

    network: Any = FAN(num_modules=4, num_landmarks=98, device=device)
    network = fill(network, store_or_default(store).path(_AWING), key="state_dict", device=device)
    return lambda pictures: [network.get_landmarks(picture[..., ::-1]) for picture in pictures]


class LandmarkDistance(Kind[LandmarkChoices]):
    """Mean over images."""

    Choices = LandmarkChoices

    @property
    def weights(self) -> tuple[str, ...]:
        return (self.choices.engine,)

    def open(self, store: WeightStore | None, device: str) -> Measure:
        from bfrbench.faces.landmarks import load_landmarker

        if self.choices.reading == "own":
            return LandmarkPairs(load_landmarker(self.choices.engine, store, device), self.choices.normalise)
        if self.choices.engine != _AWING:
            problem = f"reading = 'facexlib' belongs to {_AWING}, and the engine is {self.choices.engine}"
            raise ConfigError(problem, "write reading = 'own'")
        return LandmarkPairs(facexlib_awing(store, device), self.choices.normalise)
