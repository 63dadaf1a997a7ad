"""`bfrbench gate`: may this change go in?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import cyclopts

from bfrbench.cli.output import Json, print_json, print_table
from bfrbench.errors import RegressionFound, TooLittleMeasured, UsageError

if TYPE_CHECKING:
    from bfrbench.gate import Verdict


def gate(
    candidate: Path,
    /,
    *,
    baseline: Path,
    rules: Path | None = None,
    level: Annotated[float, cyclopts.Parameter(validator=cyclopts.validators.Number(gt=0, lt=1))] = 0.95,
    inconclusive: Literal[0, 1, 4] = 4,
    update_baseline: bool = False,
    json: Json = False,
    md: bool = False,
    junit: bool = False,
) -> None:
    """Compare a candidate with a baseline, image by image, and say whether it is worse than the board's rules allow.

    Exits with 0 when nothing is worse, 1 on a regression, 3 when the two do not compare, and 4 when a drop as
    large as the rules allow could not have been seen.

    Parameters
    ----------
    candidate
        A run or a scorecard, with its rows beside it.
    baseline
        Another one, on the same board.
    rules
        A board.toml whose [[gate]] rules to use (default: those of the board that was run).
    level
        How sure all bounds together must be; 0.95 lets 5 % of unchanged candidates fail.
    inconclusive
        The exit code when too little was measured.
    update_baseline
        Put the candidate in the baseline's place; nothing is judged.
    md
        Print Markdown.
    junit
        Print a JUnit report.
    """
    from bfrbench.gate import baseline as baselines
    from bfrbench.gate import board_of, judge, open_side

    if json + md + junit > 1:
        raise UsageError("more than one of --json, --md and --junit was given", "choose one")
    if update_baseline:
        card = baselines.update(candidate, baseline)
        print(f"{baseline} is now {card.results.restorer.ref} on {card.results.board}, {card.results.images} images")
        return
    side = open_side(candidate)
    board = board_of(candidate, side.card, rules)
    verdict = judge(side, open_side(baseline), board, level=level)
    _show(verdict, "json" if json else "md" if md else "junit" if junit else "table")
    _conclude(verdict, inconclusive)


def _show(verdict: Verdict, form: str) -> None:
    from bfrbench.gate import showing

    if form == "json":
        print_json(verdict.dump())
    elif form == "md":
        print(showing.markdown(verdict), end="")
    elif form == "junit":
        print(showing.junit(verdict), end="")
    else:
        print_table(showing.COLUMNS, showing.lines(verdict), title=showing.headline(verdict))


def _conclude(verdict: Verdict, inconclusive: int) -> None:
    if verdict.outcome == "regression":
        told = [
            *verdict.problems,
            *(f"{c.metric} ({c.place}): {c.why}" for c in verdict.of("regression", "suspicious")),
        ]
        raise RegressionFound("; ".join(told[:3]) + _more(told), "mend it, or take it with --update-baseline")
    if verdict.outcome == "inconclusive" and inconclusive:
        told = [f"{c.metric} ({c.place}): {c.why}" for c in verdict.of("inconclusive")] or ["no cell could be judged"]
        kind = TooLittleMeasured if inconclusive == TooLittleMeasured.exit_code else RegressionFound
        raise kind("; ".join(told[:3]) + _more(told), "measure more images, or allow more in the board's rules")


def _more(told: list[str]) -> str:
    return f"; and {len(told) - 3} more" if len(told) > 3 else ""
