"""How several runs of one restorer are shown: the spread over its samples, the curve of its operating points."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from bfrbench.cli.output import print_table

if TYPE_CHECKING:
    from bfrbench.bench.scorecard import Scorecard
    from bfrbench.bench.several import Curve


def spread_as_data(cards: Sequence[Scorecard]) -> dict[str, Any]:
    from bfrbench.bench.several import spread

    return {"spread": {name: asdict(one) for name, one in spread(cards).items()}}


def show_spread(cards: Sequence[Scorecard]) -> None:
    from bfrbench.bench.several import spread

    first = cards[0].results
    lines = [(name, f"{one.mean:.5g}", f"{one.deviation:.2g}") for name, one in spread(cards).items()]
    title = f"{first.restorer.ref} on {first.board}: {len(cards)} samples"
    print_table(("metric", "mean over samples", "deviation between samples"), lines, title=title)


def curve_as_data(
    cards: Sequence[Scorecard], distortion: str | None = None, perception: str | None = None
) -> dict[str, Any]:
    found = _curve(cards, distortion, perception)
    return {"curve": None if found is None else asdict(found)}


def show_curve(cards: Sequence[Scorecard], distortion: str | None = None, perception: str | None = None) -> None:
    found = _curve(cards, distortion, perception)
    if found is None:
        protocol = cards[0].results.protocol
        print(f"no curve: {protocol} measured nothing of perception; 'bfrbench scorecard curve --perception METRIC'")
        return
    lines = [
        (f"{one.point:g}", f"{one.distortion:.5g}", f"{one.perception:.5g}", "beaten in both" if one.dominated else "")
        for one in found.points
    ]
    title = f"{found.restorer} on {cards[0].results.board}: perception against distortion"
    print_table(("point", found.distortion, found.perception, ""), lines, title=title)


def _curve(cards: Sequence[Scorecard], distortion: str | None, perception: str | None) -> Curve | None:
    from bfrbench.bench.several import axes, curve
    from bfrbench.metrics import load_protocol

    usual, seen = axes(cards[0], load_protocol(cards[0].results.protocol))
    chosen = perception or seen
    return None if chosen is None else curve(cards, distortion or usual, chosen)
