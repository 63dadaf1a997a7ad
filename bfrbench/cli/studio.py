"""`bfrbench studio`: rendered faces as files, and contact sheets of them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import cyclopts

from bfrbench.cli.output import Json, print_json, print_table
from bfrbench.errors import UsageError

if TYPE_CHECKING:
    from bfrbench.studio import Shot, Split

app = cyclopts.App(name="studio", help="Render faces with exact labels; no download, the same on every run.")


@app.command(name="list")
def list_(*, json: Json = False) -> None:
    """List the sets that can be rendered."""
    from bfrbench.studio import PLANS

    rows = [
        {"name": name, "people": plan.people, "pictures": plan.count, "what": plan.says} for name, plan in PLANS.items()
    ]
    if json:
        print_json(rows)
    else:
        print_table(["name", "people", "pictures", "what"], (list(row.values()) for row in rows))


@app.command
def render(
    out: Path,
    *,
    n: int | None = None,
    size: int = 256,
    split: str = "studio-train",
    labels: bool = False,
    force: bool = False,
) -> None:
    """Write pictures as PNG files named by their ids.

    Parameters
    ----------
    out
        Folder to write to.
    n
        How many: the whole set by default, 100 of studio-train.
    size
        Pixels of a side, 64 to 512.
    split
        Which set: see 'bfrbench studio list'.
    labels
        Write OUT/labels.parquet (identity, pose, expression, 5 and 68 points, light) and the parsing maps
        into the folder OUT-parsing.
    force
        Write over files that are there.
    """
    from bfrbench.imaging.write import write_image
    from bfrbench.progress import track

    whole = _chosen(split, size, n)
    ids = whole.ids
    if not force and (there := next((name for name in ids if (out / f"{name}.png").exists()), None)):
        raise UsageError(f"{out / there}.png is already there", "choose another folder, or --force to write over it")
    rows = []
    for index in track(range(len(whole)), f"rendering {split}"):
        shot = whole.shot(index)
        write_image(out / f"{ids[index]}.png", shot.image)
        if labels:
            _write_parsing(_beside(out) / f"{ids[index]}.png", shot)
            rows.append({"id": ids[index], "identity": whole.person(index), **shot.facts()})
    if labels:
        _write_labels(out, rows)
    print(f"{len(whole)} pictures of {size} pixels in {out}", file=sys.stderr)


@app.command
def sheet(
    out: Path, *, n: int = 48, size: int = 128, columns: int = 8, split: str = "studio-test", landmarks: bool = False
) -> None:
    """Write a contact sheet.

    Parameters
    ----------
    out
        Image file to write, PNG or JPEG.
    n
        How many pictures.
    size
        Pixels of a side of each, 64 to 512.
    columns
        Pictures in a row.
    split
        Which set: see 'bfrbench studio list'.
    landmarks
        Mark the 5 and 68 labelled points.
    """
    from bfrbench.imaging.write import check_writable, write_image
    from bfrbench.progress import track
    from bfrbench.studio.sheet import sheet as lay_out

    check_writable(out)
    if columns < 1:
        raise UsageError(f"a sheet of {columns} columns", "choose at least 1")
    whole = _chosen(split, size, n)
    shots = (whole.shot(index) for index in track(range(len(whole)), f"rendering {split}"))
    write_image(out, lay_out(shots, min(columns, len(whole)), landmarks=landmarks))


def _chosen(name: str, size: int, n: int | None) -> Split:
    from bfrbench.studio import PLANS, split

    if n is None and name in PLANS and PLANS[name].endless:
        n = 100
    return split(name, size=size, count=n)


def _beside(out: Path) -> Path:
    return out.with_name(f"{out.name}-parsing")


def _write_parsing(path: Path, shot: Shot) -> None:
    from PIL import Image

    from bfrbench.atomic import landing

    with landing(path) as part:
        Image.fromarray(shot.parsing).save(part, format="PNG")


def _write_labels(out: Path, rows: list[dict[str, object]]) -> None:
    import pandas as pd

    from bfrbench.data import labels
    from bfrbench.studio import CLASSES

    frame = pd.DataFrame(rows)
    labels.write(out / labels.FILE, frame)
    (_beside(out) / "classes.txt").write_text("\n".join(CLASSES) + "\n")
