"""Tables in a pipe: as wide as they need, no wider, and nothing of them lost."""

from __future__ import annotations

import pytest

from bfrbench.cli.output import print_table

LONG = " ".join(f"word{number}" for number in range(200))


def test_a_long_cell_goes_on_in_the_next_line_and_loses_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(("what", "value"), [("name", "x"), ("summary", LONG)], title="A title")
    out = capsys.readouterr().out
    assert max(map(len, out.splitlines())) <= 100
    assert [word for word in out.split() if word.startswith("word")] == LONG.split()
    assert "A title" in out


@pytest.mark.parametrize("columns", ["300", "40"])
def test_lines_in_a_pipe_do_not_hang_on_the_terminal_and_end_where_their_text_ends(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, columns: str
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    print_table([f"column-{number}" for number in range(14)], [[f"{number:09.4f}" for number in range(14)]])
    lines = capsys.readouterr().out.splitlines()
    assert any(all(f"{number:09.4f}" in line for number in range(14)) for line in lines), "one row, one line"
    assert all(line == line.rstrip() for line in lines)
