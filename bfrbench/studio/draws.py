"""Random numbers keyed by names: every person, shot and noise tile has a stream of its own."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Rgb = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class Dice:
    """A keyed stream with the few draws that people and shots are made of."""

    rng: np.random.Generator

    @classmethod
    def keyed(cls, *key: str | int) -> Dice:
        digest = hashlib.sha256("/".join(map(str, key)).encode()).digest()
        return cls(np.random.Generator(np.random.Philox(key=int.from_bytes(digest[:16], "little"))))

    def about(self, mean: float, spread: float) -> float:
        """A normal draw, cut at two standard deviations: unlike people, but people."""
        return mean + spread * float(np.clip(self.rng.standard_normal(), -2, 2))

    def between(self, low: float, high: float) -> float:
        return float(self.rng.uniform(low, high))

    def chance(self, probability: float) -> bool:
        return bool(self.rng.random() < probability)

    def pick(self, weights: dict[str, float]) -> str:
        names = list(weights)
        shares = np.array([weights[name] for name in names])
        return names[int(self.rng.choice(len(names), p=shares / shares.sum()))]

    def tint(self, colour: Rgb, spread: float) -> Rgb:
        """A colour near the given one."""
        red, green, blue = (min(1.0, max(0.0, channel + self.about(0, spread))) for channel in colour)
        return red, green, blue

    def vector(self, count: int) -> npt.NDArray[np.float64]:
        return self.rng.standard_normal(count)
