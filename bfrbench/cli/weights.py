"""`bfrbench weights`: the weight files that metrics, detectors and restorers need."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import cyclopts

from bfrbench.cli.output import Json, print_json, print_table
from bfrbench.errors import UsageError, WeightsError

if TYPE_CHECKING:
    from bfrbench.weights import WeightCard, WeightStore

app = cyclopts.App(name="weights", help="List, fetch, add and verify weight files.")
Offline = Annotated[bool, cyclopts.Parameter(help="Forbid every download (as BFRBENCH_OFFLINE=1 does).")]


@app.command(name="list")
def list_(*, missing: bool = False, json: Json = False) -> None:
    """List every weight file that bfrbench knows, and whether it is here.

    Parameters
    ----------
    missing
        Only those that are not here.
    """
    store = _store()
    for fault in store.faults:
        print(fault, file=sys.stderr)
    rows = [row for card in store.cards.values() if not ((row := _row(store, card))["path"] and missing)]
    if json:
        print_json(rows)
        return
    columns = ["name", "here", "MB", "licence", "needed by"]
    print_table(columns, ([_short(row, column) for column in columns] for row in rows))


@app.command
def path(name: str, *, offline: Offline = False, json: Json = False) -> None:
    """Print where a verified file lies; it is fetched first if it is missing.

    Parameters
    ----------
    name
        Name of the weight file, as `bfrbench weights list` gives it.
    """
    store = _store(offline)
    found = store.path(name)
    if json:
        print_json({"name": name, "path": str(found), "sha256": store.digest(name)})
    else:
        print(found)


@app.command
def fetch(*names: str, offline: Offline = False) -> None:
    """Download files, going on where an earlier download stopped.

    Parameters
    ----------
    names
        Names of weight files.
    """
    store = _store(offline)
    for name in _some(names):
        print(f"{name}: {store.fetch(name)} [licence: {store.card(name).licence}]")


@app.command
def add(
    name: str | None = None,
    file: Path | None = None,
    *,
    folder: Annotated[Path | None, cyclopts.Parameter(name="--from-folder")] = None,
) -> None:
    """Copy a file that you already have into the store, if it is the right one.

    Parameters
    ----------
    name
        Name of the weight file.
    file
        Your copy of it.
    folder
        Add every file of this folder that bfrbench knows by its digest.
    """
    store = _store()
    if folder is not None and name is None:
        added = store.add_folder(folder)
        if not added:
            raise WeightsError(f"{folder} holds no file that bfrbench knows", "see 'bfrbench weights list --json'")
    elif name is not None and file is not None and folder is None:
        added = {name: store.add(name, file)}
    else:
        raise UsageError("add needs a name and a file, or a folder", "write 'add NAME FILE' or 'add --from-folder DIR'")
    for known, place in added.items():
        print(f"{known}: {place}")


@app.command
def verify(*names: str, json: Json = False) -> int:
    """Hash files again and compare them with their cards; all that are here when no name is given.

    Parameters
    ----------
    names
        Names of weight files.
    """
    store = _store(offline=True)
    wanted = names or tuple(name for name in store.cards if _located(store, name))
    verdicts = [store.verify(name) for name in wanted]
    if json:
        print_json([asdict(verdict) | {"path": str(verdict.path)} for verdict in verdicts])
    else:
        print_table(["name", "state", "why"], ([v.name, v.state, v.reason or v.path] for v in verdicts))
    return 0 if all(verdict.state == "ok" for verdict in verdicts) else WeightsError.exit_code


@app.command
def remove(*names: str, forget: bool = False) -> None:
    """Remove files, and what unfinished downloads left, from the store.

    Parameters
    ----------
    names
        Names of weight files.
    forget
        Forget the recorded digest too, where the publisher gives none: another file may then be the first.
    """
    store = _store()
    for name in _some(names):
        print(f"{name}: {'removed' if store.remove(name, forget=forget) else 'was not there'}")


def _store(offline: bool = False) -> WeightStore:
    from bfrbench.weights import WeightStore

    return WeightStore(offline=True if offline else None)


def _some(names: tuple[str, ...]) -> tuple[str, ...]:
    if not names:
        raise UsageError("no weight file was named", "see 'bfrbench weights list' for the names")
    return names


def _located(store: WeightStore, name: str) -> bool:
    """Whether something lies where the file should, be it readable or not."""
    try:
        return store.locate(name) is not None
    except WeightsError:
        return True


def _row(store: WeightStore, card: WeightCard) -> dict[str, object]:
    """A card and where its file is, not verified, as plain data."""
    try:
        found = store.locate(card.name)
    except WeightsError as error:
        found, fault = None, str(error)
    else:
        fault = ""
    return card.model_dump(mode="json") | {"path": str(found) if found else None, "fault": fault}


def _short(row: dict[str, object], column: str) -> str:
    if column == "here":
        return "broken" if row["fault"] else "yes" if row["path"] else "no"
    if column == "MB":
        size = row["size"]
        return f"{size / 1e6:.1f}" if isinstance(size, int) else "?"
    if column == "needed by":
        return ", ".join(map(str, row["needed_by"])) if isinstance(row["needed_by"], list) else ""
    return str(row[column])
