"""`bfrbench scorecard`: show, validate and compare what runs have written."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import cyclopts

from bfrbench.cli.output import Json, print_json, print_table
from bfrbench.errors import InputError

if TYPE_CHECKING:
    from bfrbench.bench.scorecard import Measured, Scorecard

app = cyclopts.App(name="scorecard", help="Show, validate and compare scorecards.")


@app.command
def show(place: Path, /, *, breakdowns: bool = False, json: Json = False) -> None:
    """Show a scorecard.

    Parameters
    ----------
    place
        A scorecard's file, or the folder of a run.
    breakdowns
        Show the numbers of every bin too.
    """
    from bfrbench.bench import scorecard

    card = scorecard.read(place)
    if json:
        print_json(card.dump())
    else:
        show_card(card, breakdowns=breakdowns)


@app.command
def validate(*places: Path, json: Json = False) -> int:
    """Check scorecards: form, digests, and that the numbers follow from the rows beside them.

    Parameters
    ----------
    places
        Scorecard files, runs, or folders that hold them.
    """
    from bfrbench.bench.api import scorecard_files
    from bfrbench.bench.checking import scorecard_problems

    files = [file for place in places for file in scorecard_files(place)]
    if not files:
        raise InputError("no scorecard was given", "name scorecards, runs or folders")
    found = {file: scorecard_problems(file)[1] for file in files}
    if json:
        print_json([{"scorecard": str(file), "problems": problems} for file, problems in found.items()])
    else:
        for file, problems in found.items():
            print(f"{file}: {'; '.join(problems) if problems else 'sound'}")
    if any(found.values()):
        count = sum(1 for problems in found.values() if problems)
        raise InputError(f"{count} of {len(found)} scorecards are not sound", "run those boards again")
    return 0


@app.command
def diff(first: Path, second: Path, /, *, json: Json = False) -> None:
    """Compare two scorecards number by number; exits with 3 when they do not compare.

    This tells what differs, not whether it could be chance: that is for `bfrbench gate`.

    Parameters
    ----------
    first
        A scorecard or a run.
    second
        Another one.
    """
    from bfrbench.bench import scorecard
    from bfrbench.bench.comparing import differences, surroundings

    ours, theirs = scorecard.read(first), scorecard.read(second)
    found, around = differences(ours, theirs), surroundings(ours, theirs)
    same = ours.results_digest == theirs.results_digest
    if json:
        numbers = [asdict(one) for one in found]
        print_json({"same_results": same, "numbers": numbers, "other": [list(line) for line in around]})
        return
    words = {True: "better", False: "worse", None: ""}
    lines = [
        (one.metric, where(one.breakdown, one.bin), _number(one.first), _number(one.second), words[one.better])
        for one in found
    ]
    print_table(("metric", "where", str(first), str(second), "second is"), lines)
    if around:
        print_table(("also differs", str(first), str(second)), around)
    if same:
        print("the results are the same, to the bit")


@app.command
def spread(*runs: Path, json: Json = False) -> None:
    """Mean and spread of every metric over the samples of one restorer.

    Parameters
    ----------
    runs
        Scorecards or runs, one for each sample: `bfrbench run R --board B --samples 5` makes them.
    """
    from bfrbench.bench import scorecard
    from bfrbench.cli.several import show_spread, spread_as_data

    cards = [scorecard.read(run) for run in runs]
    if json:
        print_json(spread_as_data(cards))
    else:
        show_spread(cards)


@app.command
def curve(*runs: Path, distortion: str | None = None, perception: str | None = None, json: Json = False) -> None:
    """The perception-distortion curve of a restorer over its operating points.

    Parameters
    ----------
    runs
        Scorecards or runs, one for each point: `bfrbench run R --board B --points 0 0.5 1` makes them.
    distortion
        The metric of the first axis (default: psnr).
    perception
        The metric of the second (default: the protocol's first that needs no truth or compares distributions).
    """
    from bfrbench.bench import scorecard
    from bfrbench.cli.several import curve_as_data, show_curve

    cards = [scorecard.read(run) for run in runs]
    if json:
        print_json(curve_as_data(cards, distortion, perception))
    else:
        show_curve(cards, distortion, perception)


@app.command
def schema() -> None:
    """Print the JSON schema of a scorecard."""
    from bfrbench.bench.scorecard import json_schema

    print_json(json_schema())


def show_card(card: Scorecard, *, breakdowns: bool = False) -> None:
    """The table that a run ends with."""
    from bfrbench.bench.comparing import arrow

    results, seen = card.results, card.observed
    title = f"{results.restorer.ref} on {results.board}: {results.status}, {results.images} of {results.total} images"
    lines = [_line(name, "all", result) for name, result in results.metrics.items()]
    if breakdowns:
        lines += [
            _line(name, where(cell.by, cell.bin), measured)
            for cell in results.breakdowns
            for name, measured in cell.metrics.items()
        ]
    arrows = {name: arrow(result) for name, result in results.metrics.items()}
    shown = [(f"{name} {arrows[name]}", *rest) for name, *rest in lines]
    print_table(("metric", "where", "value", "95 % interval", "n", "notes"), shown, title=title)
    for name, why in results.skipped.items():
        print(f"{name} was not measured: it {why}")
    if results.failures:
        print("failed: " + ", ".join(f"{count} {status}" for status, count in results.failures.items()))
    if seen.seconds_per_image is not None:
        size = [] if seen.parameters is None else [f"{seen.parameters / 1e6:.3g} M parameters"]
        work = [] if seen.macs is None else [f"{seen.macs / 1e9:.3g} G multiply-adds"]
        peak = f"{seen.peak_memory / 2**20:.0f} MiB at the peak"
        print(", ".join([f"{seen.seconds_per_image:.4g} s an image", peak, *size, *work]))
    print(f"protocol {results.protocol}, board digest {results.board_digest[:12]}, results {card.results_digest[:12]}")


def where(breakdown: str, group: str) -> str:
    return "all" if breakdown == "all" else f"{breakdown} {group}"


def _line(name: str, place: str, measured: Measured) -> tuple[str, ...]:
    interval = "" if measured.low is None else f"{_number(measured.low)} … {_number(measured.high)}"
    failed = [f"{count} {status}" for status, count in measured.failed.items()]
    extra = [
        f"{key} {value:.6g}" if isinstance(value, float) else f"{key} {value}" for key, value in measured.extra.items()
    ]
    notes = "; ".join([*failed, *extra, *([measured.note] if measured.note else [])])
    return name, place, _number(measured.value), interval, str(measured.n), notes


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.5g}"
