"""Whether things hold together: a board before anyone has its data, and a scorecard with its rows."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from bfrbench.bench import rowtable, scorecard, sealed
from bfrbench.bench.board import GIVEN, Board
from bfrbench.bench.scorecard import Scorecard
from bfrbench.contracts import Row
from bfrbench.errors import BfrbenchError
from bfrbench.metrics import Context, ProtocolMetric, load_protocol

if TYPE_CHECKING:
    import pyarrow as pa

    from bfrbench.data import DataCard
    from bfrbench.plugins import PluginHost


def board_problems(board: Board, host: PluginHost | None = None) -> list[str]:
    """Everything that is wrong with a board as far as it can be told without its images."""
    return list(_board_problems(board, host))


def _board_problems(board: Board, host: PluginHost | None) -> Iterator[str]:
    from bfrbench.bench.stage import load_board_recipe

    names: list[str] = []
    try:
        names = [metric.name for metric in load_protocol(board.protocol, host=host).metrics]
    except BfrbenchError as error:
        yield str(error)
    try:
        load_board_recipe(board, host)
    except BfrbenchError as error:
        yield str(error)
    wanted = [rule.metric for rule in board.gate if rule.metric != "*"]
    wanted += [board.ranking.metric] if board.ranking else []
    for name in dict.fromkeys(wanted) if names else ():
        if name not in names:
            yield f"metric {name!r} of its rules is not in protocol {board.protocol} ({', '.join(names)})"
    yield from _data_problems(board)


def _data_problems(board: Board) -> Iterator[str]:
    from bfrbench.data import cards
    from bfrbench.studio.splits import PLANS as STUDIO_SETS

    name, _, view = board.dataset.partition(":")
    card = cards().get(name)
    if name in STUDIO_SETS:
        return
    if card is None:
        if not Path(board.dataset).exists() and not board.dataset.startswith("hf:"):
            yield f"there is no data set or path {board.dataset!r}"
        return
    if view and view not in card.views:
        yield f"data set {name!r} has no part {view!r} (it has {', '.join(card.views) or 'no parts'})"
    if board.degradation != GIVEN and card.quality == "degraded":
        yield f"data set {name!r} is degraded already: its images are no ground truth for {board.degradation!r}"
    if board.size > (card.size or board.size):
        yield f"data set {name!r} has {card.size} px and the board compares at {board.size}"
    yield from _label_problems(board, card, has_pairs=board.degradation != GIVEN or card.partner(view) is not None)


def _label_problems(board: Board, card: DataCard, *, has_pairs: bool) -> Iterator[str]:
    for breakdown in board.breakdown:
        if breakdown.by == "severity" and not (has_pairs or "ground-truth" in card.has):
            yield "a breakdown by severity needs a recipe or a ground truth"
        if breakdown.by == "identity" and not (card.identity or "identity" in card.has):
            yield f"a breakdown by identity needs identities, which {card.id!r} does not have"


def rows_path(path: Path) -> Path:
    """The rows that belong to a scorecard's file."""
    file = path / scorecard.FILE if path.is_dir() else path
    return file.with_name(scorecard.ROWS) if file.name == scorecard.FILE else file.with_suffix(".parquet")


def read_rows(path: Path) -> pa.Table:
    """The rows beside a scorecard; raises `Damaged` when they are not those that it was made from."""
    table = sealed.read(rows_path(path))
    if rowtable.digest_of([table]) != scorecard.read(path).results.rows_digest:
        raise sealed.Damaged("these are not the rows that the scorecard was made from")
    return table


def scorecard_problems(path: Path) -> tuple[Scorecard, list[str]]:
    """A scorecard, and everything that is wrong with it or its rows. One that cannot be read at all is an error."""
    card = scorecard.read(path)
    return card, list(_card_problems(path, card))


def _card_problems(path: Path, card: Scorecard) -> Iterator[str]:
    rows = rows_path(path)
    if not rows.exists():
        yield f"its rows {rows} are missing: nothing can be compared in pairs"
        return
    try:
        table = read_rows(path)
    except sealed.Damaged as error:
        yield f"{rows} is damaged: {error}"
        return
    if table.num_rows != card.results.images:
        yield f"it speaks of {card.results.images} images and its rows of {table.num_rows}"
    yield from _numbers_from_rows(card, table)


def _numbers_from_rows(card: Scorecard, table: pa.Table) -> Iterator[str]:
    """Means follow from rows alone, so they are computed again; distances need references that may not be here."""
    from bfrbench.bench.intervals import is_mean, measured
    from bfrbench.bench.summary import people_of

    try:
        protocol = load_protocol(card.results.protocol)
    except BfrbenchError:
        return
    context = Context(identities=people_of(table))
    for metric in protocol.metrics:
        result = card.results.metrics.get(metric.name)
        if result is None or result.digest != metric.digest or not is_mean(metric):
            continue
        again = measured(metric, _rows(table, metric), context, interval=False).value
        if again != result.value:
            yield f"{metric.name} is {result.value} in the scorecard and {again} by its rows"


def _rows(table: pa.Table, metric: ProtocolMetric) -> list[Row]:
    return list(rowtable.rows_of(table, metric.rows))
