"""A recipe: its steps, its digest, its draws, and the same recipe for another image size.

Where recipes are found is in `library`; what a draw does to an image is in `exact` and `device`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import pydantic

from bfrbench.config import Frozen, parse
from bfrbench.contracts import Draw, Op, Pair
from bfrbench.degradations.grammar import draw_steps, leaves, plain_steps, read_steps
from bfrbench.degradations.keyed import keys
from bfrbench.degradations.steps import Step
from bfrbench.digests import Digest, of_data
from bfrbench.errors import UsageError

if TYPE_CHECKING:
    from torch import Tensor

    from bfrbench.contracts import U8Image

GRAMMAR = 1
"""Part of every digest: raised when the same recipe would draw or do something else."""
SIZES = (8, 4096)


class RecipeFile(Frozen):
    """The top of a recipe file; its steps are read by `grammar`."""

    summary: str = pydantic.Field(min_length=1)
    source: str = pydantic.Field(min_length=1)
    reference_size: int = pydantic.Field(default=512, ge=SIZES[0], le=SIZES[1])
    step: list[Any]


@dataclass(frozen=True)
class Recipe:
    """A degradation whose random numbers depend on seed, image id and view alone."""

    name: str
    summary: str
    source: str
    reference_size: int
    """The side, in pixels, of the images that its lengths are meant for."""
    steps: tuple[Step, ...]

    @classmethod
    def read(cls, name: str, data: dict[str, Any], where: str) -> Recipe:
        head = parse(data, RecipeFile, where=where)
        return cls(name, head.summary, head.source, head.reference_size, read_steps(head.step, where))

    @cached_property
    def digest(self) -> Digest:
        """Of what the recipe does, not of its name or its comments."""
        return of_data({"grammar": GRAMMAR, "reference_size": self.reference_size, "steps": plain_steps(self.steps)})

    def draw(self, seed: int, image_id: str, *, view: int = 0) -> Draw:
        """The numbers for one image; `view` counts epochs, or the looks of a loss that wants two."""
        if not isinstance(seed, int) or not isinstance(view, int):
            raise UsageError(f"seed and view must be whole numbers, not {seed!r} and {view!r}", "pass integers")
        root = keys(seed, self.digest, image_id, view)
        return Draw(self.digest, image_id, view, root.word("noise"), draw_steps(self.steps, root))

    def apply(self, gt: U8Image, draw: Draw) -> Pair:
        from bfrbench.degradations.exact import apply

        return apply(gt, draw)

    def apply_batch(self, gt: Tensor, draws: Sequence[Draw]) -> tuple[Tensor, Tensor]:
        from bfrbench.degradations.device import apply_batch

        return apply_batch(gt, draws)

    def severity(self, draw: Draw) -> float:
        """Where a draw lies between the mildest (0) and the hardest (1) that the recipe can make.

        Each kind of operation counts once: the mean place of its drawn numbers within their ranges.
        """
        places = [_place(draw.ops, op, ranges) for op, ranges in self._axes.items()]
        return round(sum(places) / len(places), 6) if places else 0.0

    def scaled(self, size: int) -> Recipe:
        """The same for images of another side: kernels, lengths and ratios follow, noise and codecs do not."""
        if not SIZES[0] <= size <= SIZES[1]:
            raise UsageError(f"{self.name}@{size}: a size lies within {SIZES[0]}–{SIZES[1]}", "choose another size")
        if size == self.reference_size:
            return self
        factor = size / self.reference_size
        return Recipe(
            f"{self.name}@{size}",
            f"{self.summary} Scaled from {self.reference_size} to {size} px: kernels, lengths, ratios (not below 1).",
            self.source,
            size,
            tuple(step.scaled(factor) for step in self.steps),
        )

    @property
    def touches_target(self) -> bool:
        """Whether the target of a pair may differ from the ground truth."""
        return any(step.touches_target for step in leaves(self.steps))

    @property
    def moves_target(self) -> bool:
        """Whether points and maps of the ground truth may not fit the target."""
        return any(step.moves_target for step in leaves(self.steps))

    @cached_property
    def _axes(self) -> dict[str, dict[str, tuple[float, float, int]]]:
        axes: dict[str, dict[str, tuple[float, float, int]]] = {}
        for step in leaves(self.steps):
            for drawn, (low, high) in step.extents().items():
                known = axes.setdefault(step.op, {}).get(drawn, (low, high, 0))
                axes[step.op][drawn] = (min(low, known[0]), max(high, known[1]), step.harder[drawn])
        spread = {op: {d: r for d, r in ranges.items() if r[1] > r[0]} for op, ranges in axes.items()}
        return {op: ranges for op, ranges in spread.items() if ranges}


def _place(ops: Sequence[Op], op: str, ranges: Mapping[str, tuple[float, float, int]]) -> float:
    places = []
    for happened in ops:
        for drawn, (low, high, sign) in ranges.items() if happened.name == op else ():
            if (value := happened.args.get(drawn)) is not None:
                place = min(max((float(value) - low) / (high - low), 0.0), 1.0)
                places.append(place if sign > 0 else 1 - place)
    return sum(places) / len(places) if places else 0.0
