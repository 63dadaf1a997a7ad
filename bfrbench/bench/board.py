"""Boards: data set × degradation × protocol × output codec, as TOML, found by name.

A board file says what was chosen; the digest over what those choices resolve to is made in `stage`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import pydantic

from bfrbench import config, places
from bfrbench.bench.rules import Breakdown, GateRule, Ranking
from bfrbench.config import Frozen
from bfrbench.errors import ConfigError, UnknownName

FILE = "board.toml"
GIVEN = "given"
_NAME = r"^[a-z0-9]+(-[a-z0-9]+)*$"
_CODEC = r"^(png|(jpeg|webp):([1-9][0-9]?|100))$"


class Layout(Frozen):
    """How the work is cut. Not part of what is compared: the manifest of a run fixes it for that run."""

    batch: Annotated[int, pydantic.Field(ge=1)] = 8
    """Images that are restored and scored together."""
    shard: Annotated[int, pydantic.Field(ge=1)] = 64
    """Images whose rows land together."""
    time_limit: Annotated[float, pydantic.Field(gt=0)] = 300.0
    """Seconds that one batch may take before its restorer is stopped."""


class Board(Frozen):
    """One benchmark, as data."""

    name: Annotated[str, pydantic.Field(pattern=_NAME)]
    title: str
    summary: str
    ranks: bool = True
    """False for boards that notice change but never rank methods."""
    dataset: str
    """A reference to a data set, as `bfrbench datasets show` takes it."""
    size: Annotated[int, pydantic.Field(ge=16, le=4096)]
    """Side in pixels that every face is compared at."""
    degradation: str
    """A recipe's name or file, or `given`: the low-quality images come with the set."""
    seed: int = 0
    protocol: str
    codec: Annotated[str, pydantic.Field(pattern=_CODEC)] = "png"
    """What a restored image goes through before it is scored: `png`, `jpeg:QUALITY` or `webp:QUALITY`."""
    max_failures: Annotated[float, pydantic.Field(ge=0, le=1)] = 0.01
    """Share of images that may fail before the scorecard is `failed`."""
    breakdown: tuple[Breakdown, ...] = ()
    ranking: Ranking | None = None
    gate: tuple[GateRule, ...] = ()
    layout: Layout = Layout()
    notes: tuple[str, ...] = ()
    """What a reader must know: what a published table leaves open, and what was chosen here."""

    @pydantic.model_validator(mode="after")
    def _rules_meet_breakdowns(self) -> Board:
        bins = {item.title: item.bins for item in self.breakdown}
        if len(bins) != len(self.breakdown):
            raise ValueError("two breakdowns have one title")
        for rule in self.gate:
            if rule.breakdown is not None and rule.breakdown not in bins:
                raise ValueError(f"a gate rule names breakdown {rule.breakdown!r}; this board has {sorted(bins)}")
            if rule.bin is not None and rule.bin not in bins[rule.breakdown or ""]:
                raise ValueError(f"a gate rule names bin {rule.bin!r}; there are {list(bins[rule.breakdown or ''])}")
        return self


def shipped_boards() -> dict[str, Path]:
    """The boards that travel with bfrbench, by name."""
    root = places.carried("leaderboards")
    return {path.parent.name: path for path in sorted(root.glob(f"*/{FILE}"))}


def board_path(name_or_path: str | Path) -> Path:
    """The file of a shipped board's name, of a board.toml, or of a folder that holds one."""
    text = str(name_or_path)
    shipped = shipped_boards()
    if text in shipped:
        return shipped[text]
    path = Path(text)
    if path.is_dir() and (path / FILE).is_file():
        return path / FILE
    if path.suffix == ".toml" or path.parent != Path():
        if path.is_file():
            return path
        raise ConfigError(f"there is no board file {path}", f"give a shipped board's name or the path of a {FILE}")
    raise UnknownName("board", text, shipped)


def load_board(name_or_path: str | Path) -> Board:
    """Read a board by name or path."""
    path = board_path(name_or_path)
    board = config.load(path, Board)
    if path.name == FILE and path.parent.resolve().name != board.name and path in shipped_boards().values():
        raise ConfigError(f"{path} calls itself {board.name!r}", f"name it {path.parent.name!r}, as its folder")
    return board
