"""How often the gate is wrong: false alarms of re-seeded equals over a whole board, and drops that it misses.

python benchmarks/gate.py [--boards 400] [--seed 1]

A board here has rows and no images: people differ, images of one person are alike, answers to one image differ by
skewed noise of their own. A candidate and a baseline are two seeds of one model, so nothing is really worse.
"""

from __future__ import annotations

import argparse
import math
from dataclasses import dataclass

import numpy as np

from bfrbench.bench import rowtable
from bfrbench.bench.rules import Breakdown, GateRule
from bfrbench.bench.summary import bins_of
from bfrbench.contracts import Row
from bfrbench.gate.cells import Cell, cells_of
from bfrbench.gate.means import see_means
from bfrbench.gate.pairing import Pairs
from bfrbench.gate.verdict import Seen, decide
from bfrbench.metrics import load_protocol

METRICS = {metric.name: metric for metric in load_protocol("basic-v1").metrics}
BREAKDOWNS = (
    Breakdown(by="severity", edges=(0.35, 0.5, 0.65)),
    Breakdown(by="yaw", edges=(15, 30, 60), absolute=True),
)


@dataclass(frozen=True)
class Size:
    """How large a board is."""

    name: str
    people: int
    images: int
    breakdowns: tuple[Breakdown, ...]


SIZES = (Size("64 images of 32 people, 7 cells", 32, 64, ()), Size("1,000 of 200, 63 cells", 200, 1000, BREAKDOWNS))


def table(size: Size, labels: np.random.Generator, answers: np.random.Generator, drops: dict[str, float]) -> object:
    """Rows of one model: what depends on the image comes from `labels`, what is the answer's own from `answers`."""
    people = np.arange(size.images) % size.people
    severity, yaw = labels.random(size.images), labels.normal(0, 30, size.images)
    images = [
        rowtable.ImageRow(f"i{n:05d}", "ok", "0", f"p{people[n]}", float(severity[n]), float(yaw[n]))
        for n in range(size.images)
    ]
    rows = {}
    for name in METRICS:
        person, image = labels.normal(0, 1, size.people)[people], labels.normal(0, 1, size.images)
        mine = answers.normal(0, 0.3, size.people)[people] + answers.lognormal(0, 0.8, size.images) * 0.3
        values = 10 + person + image + mine - drops.get(name, 0.0)
        rows[name] = [Row(one.id, "ok", float(value)) for one, value in zip(images, values, strict=True)]
    return rowtable.make(images, rows)


def seen(size: Size, seed: int, drops: dict[str, float], seeds: tuple[int, int]) -> dict[Cell, Seen | str]:
    tables = [
        table(size, np.random.default_rng([seed, 0]), np.random.default_rng([seed, own]), planted)
        for own, planted in ((seeds[0], drops), (seeds[1], {}))
    ]
    pairs = Pairs(*tables)  # type: ignore[arg-type]
    rules = [GateRule(max_drop=0.0), *(GateRule(max_drop=0.0, breakdown=one.title) for one in size.breakdowns)]
    cells = cells_of(rules, METRICS, size.breakdowns)
    masks = {(None, None): np.ones(size.images, dtype=bool)}
    for one in size.breakdowns:
        bins = bins_of(tables[0], one)  # type: ignore[arg-type]
        masks |= {(one.title, name): bins == name for name in one.bins}
    asked = [(cell, METRICS[cell.metric], masks[cell.breakdown, cell.bin]) for cell in cells]
    return see_means(asked, pairs, 0.95, seed=seed)


def alarmed(cell: Cell, one: Seen | str, allowed: float) -> bool:
    if isinstance(one, str):
        return False
    rule = GateRule(max_drop=allowed)
    metric = METRICS[cell.metric]
    asked = Cell(cell.metric, cell.breakdown, cell.bin, rule)
    better = metric.higher_is_better
    return decide(asked, one, ideal=metric.ideal, higher_is_better=better, may_lose=0).outcome == "regression"


def measure(size: Size, boards: int, seed: int) -> str:
    false = caught = 0
    for number in range(boards):
        at = seed * 1_000_000 + number
        null = seen(size, at, {}, (1, 2))
        false += any(alarmed(cell, one, 0.0) for cell, one in null.items())
        cell = next(cell for cell in null if cell.metric == "psnr" and cell.breakdown is None)
        first = null[cell]
        assert isinstance(first, Seen)
        after = seen(size, at, {"psnr": 1.5 * first.visible}, (3, 4))[cell]
        caught += alarmed(cell, after, first.visible)
    return (
        f"{size.name}: {told(false, boards)} of boards raise a false alarm; {told(caught, boards)} of drops are caught"
    )


def told(count: int, boards: int) -> str:
    rate = count / boards
    return f"{rate:.1%} (± {1.96 * math.sqrt(max(rate * (1 - rate), 1 / boards) / boards):.1%})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--boards", type=int, default=400)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    print(f"{given.boards} boards of each size, seed {given.seed}; max_drop is 0 for the alarms (the hardest case)")
    print("and the smallest visible drop of an earlier pair of seeds for the drops, which are 1.5 times that")
    for size in SIZES:
        print(measure(size, given.boards, given.seed), flush=True)


if __name__ == "__main__":
    main()
