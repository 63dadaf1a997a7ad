"""`bfrbench boards`: what benchmarks there are, what each fixes, and whether they hold together."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import cyclopts

from bfrbench.cli.output import Json, print_json, print_table
from bfrbench.errors import BfrbenchError, ConfigError, UsageError

if TYPE_CHECKING:
    from bfrbench.bench.board import Board

app = cyclopts.App(name="boards", help="List, show, check and start boards.")


@app.command(name="list")
def list_(*, json: Json = False) -> None:
    """List the boards that come with bfrbench."""
    from bfrbench.bench.board import load_board, shipped_boards

    boards = [load_board(name) for name in shipped_boards()]
    if json:
        print_json([board.model_dump(mode="json") for board in boards])
        return
    columns = ("board", "data set", "px", "degradation", "protocol", "what it is")
    lines = [(b.name, b.dataset, b.size, b.degradation, b.protocol, b.title) for b in boards]
    print_table(columns, lines)


@app.command
def show(board: str, /, *, json: Json = False) -> None:
    """Show everything that a board fixes.

    Parameters
    ----------
    board
        A board's name or the path of a board.toml.
    """
    from bfrbench.bench.board import load_board

    found = load_board(board)
    facts: dict[str, Any] = {**found.model_dump(mode="json"), "digest": _digest(found)}
    if json:
        print_json(facts)
        return
    print_table(("key", "value"), [(key, _told(value)) for key, value in facts.items()], title=found.title)


@app.command
def check(*boards: str, json: Json = False) -> None:
    """Check that boards hold together: names, sizes, labels, rules. Their images need not be here.

    Parameters
    ----------
    boards
        Names or paths; none for every board that comes with bfrbench.
    """
    from bfrbench.bench.board import load_board, shipped_boards
    from bfrbench.bench.checking import board_problems

    found: dict[str, list[str]] = {}
    for name in boards or tuple(shipped_boards()):
        try:
            found[name] = board_problems(load_board(name))
        except BfrbenchError as error:
            if not isinstance(error, UsageError):
                raise
            found[name] = [str(error)]
    if json:
        print_json([{"board": name, "problems": problems} for name, problems in found.items()])
    else:
        lines = [(name, "sound" if not problems else "; ".join(problems)) for name, problems in found.items()]
        print_table(("board", "state"), lines)
    if bad := [name for name, problems in found.items() if problems]:
        raise ConfigError(f"{len(bad)} of {len(found)} boards do not hold together ({', '.join(bad)})", "mend them")


@app.command
def new(
    name: str, /, *, dataset: str, size: int, degradation: str, protocol: str = "bfrbench-v1", to: Path | None = None
) -> None:
    """Start a board of your own: writes NAME/board.toml.

    Parameters
    ----------
    name
        Lower-case words joined by `-`.
    dataset
        A data set's reference, or the path of a folder of images.
    size
        Side in pixels that faces are compared at.
    degradation
        A recipe's name or file, or `given` when the low-quality images come with the set.
    protocol
        Which metrics, measured how.
    to
        Where its folder is made (default: here).
    """
    from bfrbench import config
    from bfrbench.bench.board import FILE, Board
    from bfrbench.bench.drafting import draft

    path = (to or Path()) / name / FILE
    if path.exists():
        raise UsageError(f"{path} is there already", "choose another name, or edit that file")
    text = draft(name, dataset, size, degradation, protocol)
    import tomllib

    config.parse(tomllib.loads(text), Board, where="the new board")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    print(f"{path}: edit it, then 'bfrbench boards check {path}' and 'bfrbench run RESTORER --board {path}'")


def _digest(board: Board) -> str:
    """The board's digest, or why it cannot be told yet."""
    from bfrbench.bench.stage import digest_of_board

    try:
        return digest_of_board(board)
    except BfrbenchError as error:
        return f"not known: {error}"


def _told(value: Any) -> str:
    if isinstance(value, list):
        return "\n".join(_told(item) for item in value) or "none"
    if isinstance(value, dict):
        return ", ".join(f"{key} {_told(item)}" for key, item in value.items() if item not in (None, [], False))
    return str(value)
