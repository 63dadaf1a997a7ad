"""A leaderboard as Markdown, CSV and LaTeX: pure text, the same bytes for the same table."""

from __future__ import annotations

import csv
import io

from bfrbench.gate.showing import table
from bfrbench.leaderboard.table import Leaderboard, Line, Number

COST_HEAD = ("s/image", "peak MiB", "parameters", "GMACs")
COST = ("seconds", "memory", "parameters", "macs")
"""Columns of a table for programs: an image's seconds, bytes at the peak, parameters, an image's multiply-adds."""
MADE = "Made by `bfrbench leaderboard build {board}` from the scorecards beside it: do not edit."


def markdown(board: Leaderboard) -> str:
    """The page that a repository shows."""
    parts = [f"# {board.title}", "", f"<!-- {MADE.format(board=board.board)} -->", "", board.summary, ""]
    parts += [*board.notes, ""] if board.notes else []
    parts += table(_head(board), [_cells(board, line) for line in board.lines])
    parts += ["", *_legend(board)]
    parts += _flags(board)
    parts += _reported(board)
    parts += ["", f"Protocol `{board.protocol}`, board digest `{board.board_digest[:12]}`."]
    return "\n".join(parts).rstrip() + "\n"


def _head(board: Leaderboard) -> list[str]:
    metrics = [f"{column.name} {column.arrow}" for column in board.columns]
    return ["rank", "restorer", *metrics, *COST_HEAD, "licence", "notes"]


def _cells(board: Leaderboard, line: Line) -> list[str]:
    numbers = [markdown_number(line.numbers.get(column.name)) for column in board.columns]
    return [rank(line), line.restorer, *numbers, *cost(line), line.licence, line.notes]


def cost(line: Line) -> tuple[str, str, str, str]:
    """Seconds an image, MiB at the peak, millions of parameters, billions of multiply-adds an image."""
    memory = "–" if line.memory is None else f"{line.memory / 2**20:.0f}"
    macs = "–" if line.macs is None else f"{line.macs / 1e9:.3g}"
    return short(line.seconds), memory, count(line.parameters), macs


def rank(line: Line) -> str:
    """A rank with the ranks that the data allow: `1`, or `2 (1–3)`."""
    if line.rank is None:
        return "–"
    return str(line.rank) if line.best == line.worst else f"{line.rank} ({line.best}–{line.worst})"


def short(value: float | None) -> str:
    return "–" if value is None else f"{value:.4g}"


def count(value: int | None) -> str:
    return "–" if value is None else f"{value / 1e6:.3g} M"


def plain_number(number: Number | None) -> str:
    return short(number.value if number else None)


def markdown_number(number: Number | None) -> str:
    text = plain_number(number)
    marks = {1: "**", 2: "_"}
    mark = marks.get(number.place or 0, "") if number else ""
    return f"{mark}{text}{mark}"


def _legend(board: Leaderboard) -> list[str]:
    if board.unranked:
        how = f"Lines are ordered by {board.ranked_by}; nobody is ranked: {board.unranked}."
    else:
        how = f"Ranked by {board.ranked_by}. In brackets: the ranks that the data allow, for all lines at once (95 %)."
    lines = [f"{how} Bold is the best and slanted the second of a column; intervals are in leaderboard.csv."]
    lines += [f"`{name}` was not measured: it {why}." for name, why in board.skipped.items()]
    return lines


def _flags(board: Leaderboard) -> list[str]:
    if not any(line.flags for line in board.lines):
        return []
    told = (
        "A restorer that was trained on the test set, or against a network that judges here, is flagged in its notes."
    )
    return ["", told]


def _reported(board: Leaderboard) -> list[str]:
    if not board.reported:
        return []
    metrics = list(dict.fromkeys(name for one in board.reported for name in one.numbers))
    rows = [
        [one.method, *(one.numbers.get(name, "–") for name in metrics), one.source, "; ".join(one.notes)]
        for one in board.reported
    ]
    told = "Printed in papers, under choices that they do not all state. Never ranked against measured numbers."
    return ["", "## Reported", "", told, "", *table(["method", *metrics, "source", "notes"], rows)]


def csv_text(board: Leaderboard) -> str:
    """One line a restorer; three columns a metric."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    names = [f"{column.name}{end}" for column in board.columns for end in ("", ".low", ".high")]
    writer.writerow(["kind", "rank", "best", "worst", "restorer", *names, *COST, "licence", "notes"])
    for line in board.lines:
        numbers = [value for column in board.columns for value in _three(line.numbers.get(column.name))]
        ranks = (line.rank, line.best, line.worst)
        end = (line.seconds, line.memory, line.parameters, line.macs, line.licence, line.notes)
        writer.writerow(["measured", *map(_raw, ranks), line.restorer, *map(_raw, (*numbers, *end))])
    return out.getvalue()


def _three(number: Number | None) -> tuple[float | None, ...]:
    return (None, None, None) if number is None else (number.value, number.low, number.high)


def _raw(value: object) -> str:
    return "" if value is None else repr(value) if isinstance(value, float) else str(value)


def latex(board: Leaderboard) -> str:
    """A booktabs table: the best bold, the second underlined, lines without a rank below a rule."""
    metrics = [f"{tex(column.name)} {tex_arrow(column.arrow)}" for column in board.columns]
    head = " & ".join(["Method", *metrics])
    ranked = [line for line in board.lines if not line.note]
    others = [line for line in board.lines if line.note]
    body = [_tex_line(board, line) for line in ranked]
    body += ["\\midrule"] * bool(ranked and others) + [_tex_line(board, line) for line in others]
    return "\n".join(
        [
            f"% {MADE.format(board=board.board)} Needs booktabs.",
            f"\\begin{{tabular}}{{l{'c' * len(board.columns)}}}",
            "\\toprule",
            f"{head} \\\\",
            "\\midrule",
            *body,
            "\\bottomrule",
            "\\end{tabular}",
            "",
        ]
    )


def _tex_line(board: Leaderboard, line: Line) -> str:
    numbers = [_tex_number(line.numbers.get(column.name)) for column in board.columns]
    return " & ".join([tex(line.restorer), *numbers]) + " \\\\"


def _tex_number(number: Number | None) -> str:
    text = plain_number(number).replace("–", "--")
    command = {1: "textbf", 2: "underline"}.get((number.place or 0) if number else 0)
    return f"\\{command}{{{text}}}" if command else text


_TEX_ARROWS = {"↑": "$\\uparrow$", "↓": "$\\downarrow$", "→": "$\\rightarrow$"}
_TEX = {"\\": "\\textbackslash{}", "~": "\\textasciitilde{}", "^": "\\textasciicircum{}"}
_TEX |= {mark: f"\\{mark}" for mark in "&%$#_{}"}


def tex(text: str) -> str:
    return "".join(_TEX.get(mark, mark) for mark in text)


def tex_arrow(arrow: str) -> str:
    return _TEX_ARROWS[arrow[0]]
