"""The page: numbers and pictures of runs in one HTML file that opens without network."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bfrbench.bench.comparing import arrow, goodness
from bfrbench.errors import InputError
from bfrbench.report.pictures import Sizes, pictures, sources
from bfrbench.report.runs import IMAGES, Run, Runs, open_inputs

HERE = Path(__file__).parent


def render(runs: Runs, *, sizes: Sizes | None = None) -> str:
    """The whole page as text."""
    import jinja2

    stage, why = open_inputs(runs)
    data, interest, sizes = numbers(runs), _by_interest(runs), sizes or Sizes()
    try:
        small, large = pictures(runs, stage, interest, sizes)
    except InputError as error:  # inputs that changed, or went: the runs' own pictures need none of them
        stage, why = None, f"inputs and ground truth are left out: {error}"
        small, large = pictures(runs, stage, interest, sizes)
    data["sources"] = sources(runs, stage)
    notes = [note for note in (why, _no_pictures(runs), _some_pictures(len(small), len(runs.ids))) if note]
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, keep_trailing_newline=True)
    page = environment.from_string((HERE / "page.html.jinja").read_text(encoding="utf-8"))
    return page.render(
        title=f"{runs.first.side.card.results.board}: {', '.join(run.name for run in runs.runs)}",
        style=(HERE / "page.css").read_text(encoding="utf-8"),
        script=(HERE / "page.js").read_text(encoding="utf-8"),
        data=_json(data),
        small=_json(small),
        large=_json(large),
        notes=notes,
        board=runs.first.side.card.results.board,
        images=len(runs.ids),
        protocol=runs.first.side.card.results.protocol,
        digest=runs.first.side.card.results.board_digest[:12],
    )


def numbers(runs: Runs) -> dict[str, Any]:
    """Everything that the page draws, as plain data."""
    rows = {name: [_short(runs.column(run, name)) for run in runs.runs] for name in runs.metrics}
    return {
        "runs": [_run(run) for run in runs.runs],
        "metrics": {
            name: {
                "arrow": arrow(result),
                "higher": result.higher_is_better,
                "ideal": result.ideal,
                "unit": result.unit,
            }
            for name, result in runs.metrics.items()
        },
        "ids": runs.ids,
        "labels": {name: _short(values) for name, values in runs.labels.items()},
        "rows": {name: columns for name, columns in rows.items() if any(v is not None for c in columns for v in c)},
        "status": [runs.column(run, "status") for run in runs.runs],
    }


def _run(run: Run) -> dict[str, Any]:
    results, seen = run.side.card.results, run.side.card.observed
    return {
        "name": run.name,
        "status": results.status,
        "licence": results.restorer.licence,
        "seconds": seen.seconds_per_image,
        "parameters": seen.parameters,
        "failures": sum(results.failures.values()),
        "metrics": {name: [one.value, one.low, one.high, one.n] for name, one in results.metrics.items()},
        "breakdowns": [
            {
                "by": cell.by,
                "bin": cell.bin,
                "n": cell.n,
                "metrics": {name: [one.value, one.low, one.high, one.n] for name, one in cell.metrics.items()},
            }
            for cell in results.breakdowns
        ],
    }


def _by_interest(runs: Runs) -> list[str]:
    """Ids in the order in which they are looked at: the worst and best of each run, the largest disagreements."""
    name = next((name for name in runs.metrics if name in runs.first.side.rows.column_names), None)
    if name is None:
        return runs.ids
    result = runs.metrics[name]
    good = [
        [-math.inf if value is None else goodness(result, value) for value in runs.column(run, name)]
        for run in runs.runs
    ]
    indices = range(len(runs.ids))
    orders = [sorted(indices, key=one.__getitem__) for one in good]
    spread = [
        max(column) - min(column) if all(map(math.isfinite, column)) else 0.0 for column in zip(*good, strict=True)
    ]
    orders += [list(reversed(order)) for order in orders]
    orders.append(sorted(indices, key=spread.__getitem__, reverse=True))
    return list(dict.fromkeys(runs.ids[index] for index in _in_turn(orders)))


def _in_turn(orders: list[list[int]]) -> Iterator[int]:
    for places in zip(*orders, strict=True):
        yield from places


def _no_pictures(runs: Runs) -> str:
    without = [run.name for run in runs.runs if not (run.folder / IMAGES).is_dir()]
    return f"no pictures of {', '.join(without)}: run it with --save-images" if without else ""


def _some_pictures(shown: int, images: int) -> str:
    if shown == images:
        return ""
    return f"pictures of {shown} of {images} images are here: the worst, the best and the most disputed first"


def _short(values: list[Any]) -> list[Any]:
    """Five digits, which no eye can tell from more; what is not finite is missing."""
    return [_shortened(value) if isinstance(value, float) else value for value in values]


def _shortened(value: float) -> float | None:
    return float(f"{value:.5g}") if math.isfinite(value) else None


def _json(data: Any) -> str:
    """JSON that can stand inside a script element whatever the names in it say."""
    text = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
