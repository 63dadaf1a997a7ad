"""`bfrbench run`: a restorer on a board, to a scorecard."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path  # noqa: F401 - cyclopts resolves the inherited annotations here
from typing import TYPE_CHECKING, Annotated, Any

import cyclopts

from bfrbench.bench.settings import Settings
from bfrbench.cli.output import Json, print_json, print_table
from bfrbench.errors import TooLittleMeasured
from bfrbench.specs import Precision  # noqa: F401 - as Path

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
    """
    from bfrbench.bench.plan import make_plan
    from bfrbench.bench.run import execute
    from bfrbench.bench.stage import open_stage
    from bfrbench.plugins import PluginHost
    from bfrbench.restorers.options import parse_options

    settings = replace(how, options=parse_options(option or ()))
    host = PluginHost()
    plan = make_plan(restorer, open_stage(board, metrics=settings.metrics, host=host), settings, host=host)
    if dry_run:
        _show_plan(plan, json=json)
        return
    card = execute(plan)
    if plan.rank.speaks:
        _show(card, plan, json=json)
    _refuse_failed(card, plan)


def _show(card: Scorecard, plan: Plan, *, json: bool) -> None:
    if json:
        print_json(card.dump())
        return
    from bfrbench.cli.scorecard import show_card

    show_card(card)
    print(f"scorecard: {plan.folder / 'scorecard.json'}")


def _refuse_failed(card: Scorecard, plan: Plan) -> None:
    results = card.results
    if results.status != "failed":
        return
    count = sum(results.failures.values())
    kinds = ", ".join(f"{number} {kind}" for kind, number in results.failures.items())
    allowed = plan.stage.board.max_failures
    problem = f"{count} of {results.images} images failed ({kinds}) and the board allows {allowed:.2%}"
    first = card.observed.notes[0] if card.observed.notes else f"first: {results.failed_images[0].id}"
    raise TooLittleMeasured(problem, f"mend the restorer ({first}) and run it in a fresh folder")


def _show_plan(plan: Plan, *, json: bool) -> None:
    from bfrbench.bench.preview import preview

    facts = preview(plan)
    if json:
        print_json(facts)
    else:
        print_table(("what", "value"), [(name, value) for name, value in facts.items()])
