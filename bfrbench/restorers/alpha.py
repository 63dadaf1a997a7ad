"""Alpha, as GPEN's own program has it: how much of an answer is the restored face; the rest is what came in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bfrbench.errors import UsageError
from bfrbench.restorers.loading import RestorerContext

if TYPE_CHECKING:
    from torch import Tensor

POINTS = (0.0, 1.0)
"""What a spec declares as its operating points: from the input (at the network's size) to the restored face alone."""


def alpha_option(usual: float = 1.0) -> dict[str, str]:
    """The entry for a spec's `options`."""
    return {"alpha": f"share of the restored face in the answer, the rest is the input: 0 to 1 (default {usual:g})"}


class Alpha:
    """The share that a restorer was made with; a run that asks for an operating point asks for another."""

    def __init__(self, context: RestorerContext, usual: float = 1.0) -> None:
        given = context.options.get("alpha", usual)
        try:
            self.share = float(given)
        except ValueError:
            self.share = float("nan")
        if not POINTS[0] <= self.share <= POINTS[1]:
            raise UsageError(f"alpha of {context.spec.id} is {given!r}", "give a number from 0 to 1")

    def mixed(self, restored: Tensor, images: Tensor, point: float | None = None) -> Tensor:
        share = self.share if point is None else point
        return restored if share == 1 else images + (restored - images) * share
