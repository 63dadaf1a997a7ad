"""The bench from Python: run a board, and read scorecards as a table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bfrbench.bench import scorecard
from bfrbench.bench.board import Board
from bfrbench.bench.scorecard import Measured, Scorecard
from bfrbench.contracts import Ref, Restorer
from bfrbench.errors import InputError
from bfrbench.plugins import PluginHost
from bfrbench.restorers import LoadedRestorer

if TYPE_CHECKING:
    import pandas as pd


def run(
    restorer: Ref | LoadedRestorer | Restorer,
    board: Board | str | Path,
    *,
    name: str | None = None,
    **settings: Any,
) -> Scorecard:
    """Run a restorer on a board and give its scorecard; a run that was interrupted goes on.

    `restorer` is a reference, a loaded restorer, or any object with `restore(batch)` (then `name` is what it is
    called). `settings` are those of `bfrbench.bench.settings.Settings`: out, limit, device, metrics, ...
    """
    from bfrbench.bench.plan import make_plan
    from bfrbench.bench.run import execute
    from bfrbench.bench.settings import Settings
    from bfrbench.bench.stage import open_stage

    if "out" in settings and settings["out"] is not None:
        settings["out"] = Path(settings["out"])
    chosen = Settings(**{**settings, "metrics": tuple(settings.get("metrics", ()))})
    host = PluginHost()
    stage = open_stage(board, metrics=chosen.metrics, host=host)
    return execute(make_plan(restorer, stage, chosen, name=name, host=host))


@dataclass(frozen=True)
class Scorecards(Sequence[Scorecard]):
    """Some scorecards, with the file of each."""

    cards: tuple[Scorecard, ...]
    paths: tuple[Path, ...]

    def __len__(self) -> int:
        return len(self.cards)

    def __getitem__(self, index: Any) -> Any:
        return self.cards[index]

    def to_pandas(self) -> pd.DataFrame:
        """One line for each number: board, restorer, breakdown and bin ("all" for the whole set), metric, value."""
        import pandas as pd

        return pd.DataFrame([line for card in self.cards for line in _lines(card)])


def load_scorecards(*places: str | Path) -> Scorecards:
    """Read scorecards: files, folders of runs, or folders that hold either at any depth."""
    paths = [path for place in places for path in scorecard_files(Path(place))]
    return Scorecards(tuple(scorecard.read(path) for path in paths), tuple(paths))


def scorecard_files(place: Path) -> list[Path]:
    """The scorecards that a path means."""
    if place.is_file():
        return [place]
    if not place.is_dir():
        raise InputError(f"there is no scorecard at {place}", "give scorecards, runs, or folders that hold them")
    found = {*place.rglob(scorecard.FILE), *place.rglob("scorecards/*.json")}
    if place.name == "scorecards":
        found |= set(place.glob("*.json"))
    if not found:
        raise InputError(f"{place} holds no scorecard", "finish a run first: 'bfrbench run RESTORER --board BOARD'")
    return sorted(found)


def _lines(card: Scorecard) -> Iterator[dict[str, Any]]:
    results = card.results
    head = {
        "board": results.board,
        "restorer": results.restorer.ref,
        "status": results.status,
        "protocol": results.protocol,
    }
    for metric, result in results.metrics.items():
        yield {**head, "breakdown": "all", "bin": "all", "metric": metric, **_numbers(result)}
    for cell in results.breakdowns:
        for metric, measured in cell.metrics.items():
            yield {**head, "breakdown": cell.by, "bin": cell.bin, "metric": metric, **_numbers(measured)}


def _numbers(measured: Measured) -> dict[str, Any]:
    return {"value": measured.value, "low": measured.low, "high": measured.high, "n": measured.n}
