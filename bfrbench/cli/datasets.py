"""`bfrbench datasets`: what sets there are, where they lie here, and whether they are whole."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import cyclopts

from bfrbench.cli.output import Json, print_json, print_table

app = cyclopts.App(name="datasets", help="List, add, prepare, label and verify data sets.")

Columns = Annotated[list[str] | None, cyclopts.Parameter(name="--column")]


@app.command(name="list")
def list_sets(*, json: Json = False) -> None:
    """List every data set that has a card, and whether it is on this machine."""
    from bfrbench.data.card import cards
    from bfrbench.data.roots import find_root

    rows: list[dict[str, Any]] = []
    for card in cards().values():
        root = find_root(card)
        here = "rendered" if card.rendered else str(root) if root else ""
        names = list(card.rendered) or [card.id, *(f"{card.id}:{view}" for view in card.views)]
        rows.append({"id": card.id, "references": names, "count": card.count, "quality": card.quality, "here": here})
    if json:
        print_json(rows)
        return
    print_table(
        ("references", "images", "quality", "here"),
        [(", ".join(r["references"]), _count(r["count"]), r["quality"], r["here"] or "no") for r in rows],
    )


@app.command
def show(ref: str, *, json: Json = False) -> None:
    """Show a set's card; of a set that is here, or of a path, what opening it finds.

    Parameters
    ----------
    ref
        A card's id, with or without a part (lfw128:test), or a folder, archive or table.
    """
    from bfrbench.data.card import cards

    name = ref.partition(":")[0]
    card = next((card for card in cards().values() if name in (card.id, *card.rendered)), None)
    stated = {} if card is None else card.model_dump(mode="json")
    facts = {key: value for key, value in stated.items() if value or value is False}
    if (found := _opened(ref, card)) is not None:
        facts["found"] = found
    if json:
        print_json(facts)
        return
    print_table(("", ref), [(key.replace("_", " "), _words(value)) for key, value in facts.items()])


@app.command
def add(name: str, path: Path, /, *, given: str | None = None) -> None:
    """Remember where a set lies on this machine. Nothing is copied.

    Parameters
    ----------
    name
        The id of a card.
    path
        The folder, archive or folder of tables that holds its images.
    given
        The path holds these released low-quality partners of the set, not its own images.
    """
    from bfrbench.data.roots import register

    register(name, path, given=given)
    print(f"{name}{':' + given if given else ''} is at {path.expanduser().absolute()}")


@app.command
def remove(name: str, /) -> None:
    """Forget where a set lies. No image is touched.

    Parameters
    ----------
    name
        The id of a card.
    """
    from bfrbench.data.card import find_card
    from bfrbench.data.roots import forget

    print(f"{name} is forgotten" if forget(find_card(name).id) else f"{name} was not registered")


@app.command
def verify(
    ref: str,
    /,
    *,
    size: int | None = None,
    ids: Literal["stem", "path"] = "stem",
    record: bool = False,
    json: Json = False,
) -> int:
    """Read every image of a set and name each that is missing, extra, renamed, changed, corrupt or wrongly sized.

    Exit code 2 when something is wrong.

    Parameters
    ----------
    ref
        A card's id, or a folder, archive or table.
    size
        Side in pixels that the images should have, instead of the card's.
    ids
        For a path: whether an id is a file's stem or its path without suffix.
    record
        Remember what is there now; later runs compare with it, digest by digest.
    """
    from bfrbench.data.card import cards
    from bfrbench.data.roots import root_of
    from bfrbench.data.verifying import record as remember
    from bfrbench.data.verifying import verify as look_at

    card = cards().get(ref)
    if card is None or card.rendered:
        _refuse_rendered_and_parts(ref)
    report = look_at(root_of(card) if card else Path(ref), card, ids=ids, size=size)
    if record:
        remember(report)
    found = [{"kind": item.kind, "name": item.name, "says": item.says} for item in report.findings]
    if json:
        print_json({"root": str(report.root), "images": report.images, "known_by": report.known_by, "findings": found})
    else:
        _print_findings(report)
    return 0 if report.good or record else 2


@app.command
def prepare(
    ref: str,
    out: Path,
    /,
    *,
    detector: str = "retinaface-r50",
    size: int = 512,
    ids: Literal["stem", "path"] = "stem",
    column: Columns = None,
    device: str = "cpu",
    json: Json = False,
) -> None:
    """Detect the main face of each photograph, align it to the FFHQ template and crop it. Run again to go on.

    Parameters
    ----------
    ref
        The photographs: a folder, archive, table or card.
    out
        Folder for the crops, labels.parquet, transforms.parquet (with the way back), manifest and report.json.
    detector
        Which face detector: retinaface-r50, retinaface-mobile0.25, scrfd-10g or yunet.
    size
        Side of the crops in pixels.
    ids
        Whether an id is a file's stem or its path without suffix.
    column
        For tables: which column is what, as id=NAME or image=NAME.
    device
        Where the detector runs.
    """
    from bfrbench.data import open_dataset
    from bfrbench.data.preparing import prepare as run
    from bfrbench.faces.detect import load_detector

    data = open_dataset(ref, ids=ids, columns=_columns(column))
    done = run(data, out, load_detector(detector, device=device), size=size)
    if json:
        lists = {"not_found": done.not_found, "unreadable": done.unreadable, "several_faces": done.several}
        print_json({"out": str(out), "crops": done.crops, **lists})
        return
    print(f"{done.crops} crops in {out}; the report is {out / 'report.json'}")
    print(
        f"no face: {len(done.not_found)}; unreadable: {len(done.unreadable)}; more than one face: {len(done.several)}"
    )


@app.command
def label(
    ref: str,
    /,
    *,
    detector: str = "retinaface-r50",
    device: str = "cpu",
    json: Json = False,
) -> None:
    """Label every image of a set with yaw, pitch and roll, by 3DDFA-V2's network.

    The labels lie in BFRBENCH_HOME and are taken up whenever the set is opened by the same reference.

    Parameters
    ----------
    ref
        The set.
    detector
        Finds the face where the set has no points.
    device
        Where the networks run.
    """
    from bfrbench.data import open_dataset
    from bfrbench.data.posing import label_pose
    from bfrbench.faces.detect import load_detector
    from bfrbench.faces.pose import load_pose

    data = open_dataset(ref)
    network = load_pose(device=device)
    done = label_pose(data, network, lambda: load_detector(detector, device=device), named=network.name)
    if json:
        lists = {"not_found": done.not_found, "unreadable": done.unreadable}
        print_json({"path": str(done.path), "labelled": done.images, **lists})
        return
    print(f"{done.images} images labelled in {done.path}; no face: {len(done.not_found)}; ", end="")
    print(f"unreadable: {len(done.unreadable)}")


def _refuse_rendered_and_parts(ref: str) -> None:
    """Names that can be opened and are no set of files on a disk."""
    from bfrbench.data.card import cards
    from bfrbench.errors import UsageError

    name = ref.partition(":")[0]
    if name in cards() and name != ref:
        raise UsageError(f"{ref!r} is a part, and whole sets are verified", f"run 'bfrbench datasets verify {name}'")
    if any(name in (card.id, *card.rendered) for card in cards().values() if card.rendered):
        raise UsageError(f"{ref!r} is rendered: there are no files to verify", "verify a set that lies on a disk")


def _columns(given: list[str] | None) -> dict[str, str]:
    from bfrbench.errors import UsageError

    pairs = [item.partition("=") for item in given or []]
    if wrong := next((item for item, (_, sign, _) in zip(given or [], pairs, strict=True) if not sign), None):
        raise UsageError(f"--column {wrong} names no column", "write it as id=NAME")
    return {ours: theirs for ours, _, theirs in pairs}


def _opened(ref: str, card: Any) -> dict[str, Any] | None:
    """What opening finds; nothing for a card whose files are not here."""
    from bfrbench.data import open_dataset
    from bfrbench.errors import InputError

    if card is not None and ref == card.id and (card.splits or card.rendered):
        return None
    try:
        data = open_dataset(ref)
    except InputError:
        if card is not None:
            return None
        raise
    sample = data[0]
    has = [name for name in ("gt", "identity", "pose", "points") if getattr(sample, name) is not None]
    height, width = sample.image.shape[:2]
    return {"images": len(data), "first id": sample.id, "its size": f"{width}×{height}", "its labels": has}


def _print_findings(report: Any) -> None:
    most = 50
    if report.findings:
        print_table(("kind", "what"), [(item.kind, item.says) for item in report.findings[:most]])
    if len(report.findings) > most:
        print(f"and {len(report.findings) - most} more (--json lists all)")
    known = {
        "manifest": "compared with the recorded manifest",
        "numbers": "compared with the card's numbers",
        "count": "compared with the card's count; --record tells later changes file by file",
        "nothing": "nothing says how many there should be; --record remembers these",
    }[report.known_by]
    print(f"{report.images} images in {report.root}: {len(report.findings) or 'nothing'} wrong ({known})")


def _count(count: int | None) -> str:
    return f"{count:,}" if count is not None else "–"


def _words(value: Any) -> str:
    if isinstance(value, dict):
        return "; ".join(f"{key}: {_words(item)}" for key, item in value.items())
    if isinstance(value, list):
        lines = any(isinstance(item, dict) or str(item).endswith(".") for item in value)
        between = "\n" if lines else ", "
        return between.join(_words(item) for item in value) or "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)
