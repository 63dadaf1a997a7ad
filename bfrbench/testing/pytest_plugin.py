"""A pytest fixture for repositories of plugins: run a board, compare it with the committed baseline, fail on a drop."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import pytest

if TYPE_CHECKING:
    from bfrbench.gate import Verdict

Gate: TypeAlias = "Callable[..., Verdict]"


@pytest.fixture
def bfrbench_gate(tmp_path: Path) -> Gate:
    """A function `gate(restorer, baseline, board=None, rules=None, **settings) -> Verdict`.

    `restorer` is a reference or an object with `restore`; `baseline` a scorecard with its rows; `board` the one
    that the baseline names unless another is given. The test fails on a regression, and on too little measured.
    """

    def gate(
        restorer: Any,
        baseline: str | Path,
        *,
        board: str | Path | None = None,
        rules: str | Path | None = None,
        **settings: Any,
    ) -> Verdict:
        from bfrbench.bench.api import run
        from bfrbench.gate import board_of, judge, open_side
        from bfrbench.gate.showing import markdown

        before = open_side(Path(baseline))
        folder = Path(settings.pop("out", tmp_path / "candidate"))
        run(restorer, board or before.card.results.board, out=folder, **settings)
        after = open_side(folder)
        named = rules if rules is not None else board
        verdict = judge(after, before, board_of(folder, after.card, None if named is None else Path(named)))
        if verdict.outcome != "pass":
            pytest.fail("\n" + markdown(verdict), pytrace=False)
        return verdict

    return gate
