"""`bfrbench run`: a restorer on a board, to a scorecard."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path  # noqa: F401 - cyclopts resolves the inherited annotations here
from typing import TYPE_CHECKING, Annotated, Any

import cyclopts

from bfrbench.bench.settings import Settings
from bfrbench.cli.output import Json, print_json, print_table
from bfrbench.errors import TooLittleMeasured, UsageError
from bfrbench.specs import Precision  # noqa: F401 - as Path

_NOTES = 3
"""Notes of a run that are printed."""

if TYPE_CHECKING:
    from bfrbench.bench.plan import Plan
    from bfrbench.bench.scorecard import Scorecard


@dataclass(frozen=True, kw_only=True)
class Flags(Settings):
    """Settings as flags."""

    metrics: Annotated[tuple[str, ...], cyclopts.Parameter(consume_multiple=True)] = ()
    """Only these metrics of the protocol; the result compares only with others so cut."""
    options: Annotated[Mapping[str, Any], cyclopts.Parameter(parse=False)] = field(default_factory=dict)


def run(
    restorer: str,
    /,
    *,
    board: str,
    dry_run: bool = False,
    option: Annotated[list[str] | None, cyclopts.Parameter(name=["--option", "-o"])] = None,
    samples: int | None = None,
    points: Annotated[tuple[float, ...], cyclopts.Parameter(consume_multiple=True)] = (),
    how: Annotated[Flags, cyclopts.Parameter(name="*")] = Flags(),
    json: Json = False,
) -> None:
    """Run a restorer on a board and write its scorecard. The same command again goes on where it stopped.

    Any number of processes may run the same command at once, on one machine or on many that share the folder,
    by hand or under torchrun or Slurm: they share the work, and the results are the same.

    Parameters
    ----------
    restorer
        Its id, with its argument if it takes one: `gpen-512`, `folder:results/`, `onnx:model.onnx`.
    board
        A board's name (see `bfrbench boards list`) or the path of a board.toml.
    dry_run
        Say what would be done, and do nothing.
    option
        An option of the restorer, name=value; may be given again.
    samples
        Run the first K answers of a restorer that has more than one, each to a scorecard; show mean and spread.
    points
        Run at each of these operating points, each to a scorecard; show the perception-distortion curve.
    """
    from bfrbench.bench.plan import make_plan
    from bfrbench.bench.run import execute
    from bfrbench.bench.stage import open_stage
    from bfrbench.plugins import PluginHost
    from bfrbench.restorers.options import parse_options

    settings = replace(how, options=parse_options(option or ()))
    host = PluginHost()
    stage = open_stage(board, metrics=settings.metrics, host=host)
    plans = [make_plan(restorer, stage, one, host=host) for one in _each(settings, samples, points)]
    if dry_run:
        _show_plans(plans, json=json)
        return
    cards = []
    for plan in plans:
        cards.append(execute(plan))
        if plan.rank.speaks and not json:
            _show(cards[-1], plan)
        _refuse_failed(cards[-1], plan)
    if plans[0].rank.speaks:
        _show_together(cards, "sample" if samples else "point", json=json)


def _each(settings: Settings, samples: int | None, points: tuple[float, ...]) -> list[Settings]:
    """One run, or one for each sample or operating point."""
    from bfrbench.bench.several import of_points, of_samples

    if samples is not None and points:
        raise UsageError("both samples and points were asked for", "ask for one of them at a time")
    if samples is not None:
        return of_samples(settings, samples)
    return of_points(settings, points) if points else [settings]


def _show(card: Scorecard, plan: Plan) -> None:
    from bfrbench.cli.scorecard import show_card

    show_card(card)
    for note in card.observed.notes[:_NOTES]:
        print(f"note: {note}", file=sys.stderr)
    if more := len(card.observed.notes[_NOTES:]):
        print(f"note: and {more} more, in the scorecard", file=sys.stderr)
    print(f"scorecard: {plan.folder / 'scorecard.json'}")


def _show_together(cards: list[Scorecard], differs: str, *, json: bool) -> None:
    from bfrbench.cli.several import curve_as_data, show_curve, show_spread, spread_as_data

    if len(cards) == 1:
        if json:
            print_json(cards[0].dump())
    elif json:
        told = spread_as_data(cards) if differs == "sample" else curve_as_data(cards)
        print_json({"runs": [card.dump() for card in cards], **told})
    elif differs == "sample":
        show_spread(cards)
    else:
        show_curve(cards)


def _refuse_failed(card: Scorecard, plan: Plan) -> None:
    from bfrbench.bench.scorecard import failed_in_words

    if card.results.status == "failed":
        culprit, first = _culprit(card)
        problem = failed_in_words(card.results, plan.stage.board.max_failures)
        raise TooLittleMeasured(problem, f"mend the {culprit} ({first}) and run it in a fresh folder")


def _culprit(card: Scorecard) -> tuple[str, str]:
    """What lost more images, the restorer or a metric, and the first that was said of it."""
    from bfrbench.bench.scorecard import raised

    results, notes = card.results, card.observed.notes
    metrics = raised(results.failures, results.metrics)
    worst = max(metrics, key=lambda name: metrics[name], default="")
    if sum(results.failures.values()) < metrics.get(worst, 0):
        return "metric", next((note for note in notes if note.startswith(f"metric {worst} ")), worst)
    return "restorer", next((note for note in notes if not note.startswith("metric ")), results.failed_images[0].id)


def _show_plans(plans: list[Plan], *, json: bool) -> None:
    from bfrbench.bench.preview import preview

    found = [preview(plan) for plan in plans]
    if json:
        print_json(found if len(found) > 1 else found[0])
    else:
        for facts in found:
            print_table(("what", "value"), list(facts.items()))
