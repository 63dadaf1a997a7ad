"""A verdict in words: Markdown for a job's summary, JUnit for a CI server, lines for a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree import ElementTree as ET

from bfrbench.gate.verdict import Judged, Outcome, Verdict

COLUMNS = ("", "metric", "where", "baseline", "candidate", "drop", "surely", "allowed", "visible", "n", "")
_MARKS = {
    "pass": "ok",
    "regression": "WORSE",
    "suspicious": "TOO GOOD",
    "inconclusive": "unclear",
    "skipped": "skipped",
}
_ORDER: tuple[Outcome, ...] = ("regression", "suspicious", "inconclusive", "pass", "skipped")


def headline(verdict: Verdict) -> str:
    """One sentence."""
    counts = {name: len(verdict.of(name)) for name in _ORDER}
    told = ", ".join(f"{count} {name}" for name, count in counts.items() if count) or "nothing judged"
    return f"{verdict.candidate} against {verdict.baseline} on {verdict.board}: {verdict.outcome} ({told})"


def lines(verdict: Verdict) -> list[tuple[str, ...]]:
    """One line a cell, what matters first."""
    return [_line(cell) for cell in sorted(verdict.cells, key=lambda cell: _ORDER.index(cell.outcome))]


def _line(cell: Judged) -> tuple[str, ...]:
    numbers = (cell.baseline, cell.candidate, cell.drop, cell.low, cell.allowed, cell.visible)
    return (_MARKS[cell.outcome], cell.metric, cell.place, *map(number, numbers), str(cell.n or "–"), cell.why)


def number(value: float | None) -> str:
    return "–" if value is None else f"{value:.4g}"


def markdown(verdict: Verdict) -> str:
    """For a job's summary or a comment on a change."""
    parts = [f"### Gate: {headline(verdict)}", ""]
    parts += [f"- {problem}" for problem in verdict.problems]
    parts += [*table(COLUMNS, lines(verdict)), "", _foot(verdict)]
    return "\n".join(parts) + "\n"


def table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """A Markdown table; a bar inside a cell would end it."""
    cells = [columns, ["---"] * len(columns), *rows]
    return ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in cells]


def _foot(verdict: Verdict) -> str:
    share = f"{1 - verdict.level:.0%}"
    return (
        "drop: how much worse, in the metric's unit; surely: the drop is at least this, for all lines at once "
        f"(wrong in {share} of cases); visible: the smallest drop that would have shown nine times out of ten."
    )


def junit(verdict: Verdict) -> str:
    """One test case a cell: a regression fails, an inconclusive cell is an error, a skipped one is skipped."""
    failures, errors = verdict.of("regression", "suspicious"), verdict.of("inconclusive")
    suite = ET.Element(
        "testsuite",
        name=f"bfrbench gate {verdict.board}",
        tests=str(len(verdict.cells) + len(verdict.problems)),
        failures=str(len(failures) + len(verdict.problems)),
        errors=str(len(errors)),
        skipped=str(len(verdict.of("skipped"))),
    )
    tags = {"regression": "failure", "suspicious": "failure", "inconclusive": "error", "skipped": "skipped"}
    for cell in verdict.cells:
        case = ET.SubElement(suite, "testcase", classname=verdict.board, name=f"{cell.metric} {cell.place}")
        if cell.outcome in tags:
            ET.SubElement(case, tags[cell.outcome], message=cell.why)
    for problem in verdict.problems:
        ET.SubElement(ET.SubElement(suite, "testcase", classname=verdict.board, name="run"), "failure", message=problem)
    ET.indent(suite)
    return ET.tostring(suite, encoding="unicode", xml_declaration=True) + "\n"
