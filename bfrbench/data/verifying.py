"""Is a set on disk what its card, or an earlier look at it, says? Every file that is not is named.

A manifest (id, sha256, width, height of each image) is recorded when the user asks for it or when bfrbench made
the set; with one, a renamed or altered file is told from a missing one.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import groupby, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from bfrbench import atomic, digests, places, progress
from bfrbench.data import locators, table
from bfrbench.data.card import DataCard, Ids
from bfrbench.data.listing import Listed
from bfrbench.data.opening import lister, open_path, parquet_files
from bfrbench.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

Kind = Literal["missing", "extra", "renamed", "changed", "corrupt", "size", "duplicate", "count", "digest"]
Cell: TypeAlias = tuple[str, Mapping[str, Any] | None, str]
"""An image's id, where its bytes are (see `locators`), and its name in errors."""
MANIFEST = "manifest.parquet"
_WINDOW = 128
"""Images under way at once: those of a table come with their bytes."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong: which kind, with what, and in words."""

    kind: Kind
    name: str
    says: str


@dataclass(frozen=True, slots=True)
class Seen:
    """One image as it was read."""

    id: str
    sha256: str = ""
    width: int = 0
    height: int = 0
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    """What was looked at and what was wrong."""

    root: Path
    images: int
    findings: tuple[Finding, ...]
    seen: tuple[Seen, ...]
    known_by: Literal["manifest", "numbers", "count", "nothing"]
    """What says which images there should be."""

    @property
    def good(self) -> bool:
        return not self.findings


def verify(root: Path, card: DataCard | None = None, *, ids: Ids = "stem", size: int | None = None) -> Report:
    """Look at every image of a folder, archive or table. `size` replaces the card's (a copy at another size)."""
    if not root.exists():
        raise InputError(f"{root} does not exist", "give a card's id, a folder, an archive or a table")
    ids, size = card.ids if card else ids, size or (card.size if card else None)
    tables = _tables(root, card)
    manifest = _manifest(root, card)
    if tables or (card is not None and card.splits):
        findings, seen = _check_tables(tables, root, card)
    else:
        findings, seen = _check_files(root, ids)
    findings += [Finding("corrupt", image.id, image.problem) for image in seen if image.problem]
    findings += [_wrong_size(image, size) for image in seen if size and not image.problem and not _fits(image, size)]
    if manifest is not None:
        findings += _against(manifest, seen)
        known = "manifest"
    elif card is not None and card.numbered is not None:
        findings += _against_ids(card.numbered.ids(), seen)
        known = "numbers"
    else:
        counts = [card.count, *(other.count for other in card.other_counts)] if card and card.count else []
        findings += _against_counts(counts, len(seen))
        known = "count" if counts else "nothing"
    if not seen and not findings:
        findings.append(Finding("count", "", "there is no image"))
    return Report(root, len(seen), tuple(findings), tuple(seen), known)  # type: ignore[arg-type]


def manifest_file(root: Path) -> Path:
    """Where the manifest of a place is recorded when it has none of its own."""
    return places.home() / "manifests" / f"{digests.of_bytes(str(root.absolute()).encode())[:16]}.parquet"


def record(report: Report) -> Path:
    """Remember what was seen, as what should be there from now on."""
    if bad := [finding for finding in report.findings if finding.kind in ("corrupt", "duplicate")]:
        raise InputError(f"{bad[0].says} and cannot be recorded as right", "mend the set first")
    path = manifest_file(report.root)
    write_manifest(path, report.seen)
    return path


def write_manifest(path: Path, seen: Sequence[Seen]) -> None:
    import pandas as pd

    rows = [(image.id, image.sha256, image.width, image.height) for image in seen]
    with atomic.told(path), atomic.landing(path) as part:
        pd.DataFrame(rows, columns=["id", "sha256", "width", "height"]).to_parquet(part, index=False)


def look(name: str, data: bytes, where: str) -> Seen:
    """Digest and decode one image completely."""
    from bfrbench.imaging.read import decode_image

    try:
        height, width = decode_image(data, where).shape[:2]
    except InputError as error:
        return Seen(name, problem=error.problem)
    return Seen(name, hashlib.sha256(data).hexdigest(), width, height)


def _tables(root: Path, card: DataCard | None) -> list[Path]:
    if card is not None and card.splits:
        return [
            path for split in card.splits.values() for pattern in split.files for path in sorted(root.glob(pattern))
        ]
    return parquet_files(root)


def _check_files(root: Path, ids: Ids) -> tuple[list[Finding], list[Seen]]:
    files = sorted(lister(root, ids)(), key=lambda file: (file.id, file.locator))
    findings = []
    single: list[Listed] = []
    for name, group in groupby(files, key=lambda file: file.id):
        same = list(group)
        single.append(same[0])
        if len(same) > 1:
            where = " and ".join(file.locator for file in same)
            findings.append(Finding("duplicate", name, f"{where} have one id, {name!r}"))
    cells = ((file.id, {"path": file.locator}, file.locator) for file in single)
    with progress.Progress("verifying", total=len(single)) as shown:
        return findings, list(_looked(cells, shown))


def _looked(cells: Iterable[Cell], shown: progress.Progress) -> Iterator[Seen]:
    def one(cell: Cell) -> Seen:
        name, image, where = cell
        try:
            data = locators.read_bytes(image, name)
        except InputError as error:
            return Seen(name, problem=error.problem)
        return look(name, data, where)

    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        waiting = iter(cells)
        while window := list(islice(waiting, _WINDOW)):
            yield from pool.map(one, window)
            shown.advance(len(window))


def _check_tables(tables: list[Path], root: Path, card: DataCard | None) -> tuple[list[Finding], list[Seen]]:
    findings: list[Finding] = []
    seen: list[Seen] = []
    expected = {name: digest for split in card.splits.values() for name, digest in split.sha256.items()} if card else {}
    present = {path.name for path in tables}
    findings += [Finding("missing", name, f"{root / name} is missing") for name in expected if name not in present]
    rows_of: dict[str, str] = {}
    with progress.Progress("verifying", total=None) as shown:
        for path in tables:
            if path.name in expected and digests.of_file(path) != expected[path.name]:
                findings.append(Finding("digest", path.name, f"{path} is not the file that the card describes"))
            try:
                rows = open_path(str(path), path, None, "stem", card.columns if card else {}, streaming=True)
                seen += _looked(_cells(rows.hf, path, rows_of, findings), shown)
            except InputError as error:
                findings.append(Finding("corrupt", path.name, error.problem))
    return findings, seen


def _cells(rows: Iterable[Any], path: Path, rows_of: dict[str, str], findings: list[Finding]) -> Iterator[Cell]:
    """The rows of a table that have an id of their own; of the others each is told."""
    with table.told(str(path)):
        for number, row in enumerate(rows):
            name, where = row["id"], f"row {number} of {path}"
            if not isinstance(name, str) or not name:
                findings.append(Finding("corrupt", path.name, f"{where} has the id {name!r}, which is no text"))
            elif (other := rows_of.setdefault(name, where)) != where:
                findings.append(Finding("duplicate", name, f"{other} and {where} have one id, {name!r}"))
            else:
                yield name, row["image"], name


def _manifest(root: Path, card: DataCard | None) -> pd.DataFrame | None:
    import pandas as pd

    for path in (root / MANIFEST, manifest_file(root)):
        if path.is_file():
            try:
                return pd.read_parquet(path).set_index("id")
            except Exception as error:
                raise InputError(f"{path} is no manifest ({error})", "remove it and record it again") from error
    return None


def _against(manifest: pd.DataFrame, seen: Sequence[Seen]) -> list[Finding]:
    wanted = dict(zip(manifest.index.tolist(), manifest["sha256"].tolist(), strict=True))
    here = {image.id: image.sha256 for image in seen}
    absent = {name: digest for name, digest in wanted.items() if name not in here}
    by_digest = {digest: name for name, digest in absent.items()}
    findings = []
    for image in seen:
        if image.id in wanted:
            if not image.problem and image.sha256 != wanted[image.id]:
                findings.append(Finding("changed", image.id, f"{image.id} is not the image that was recorded"))
        elif image.sha256 and (name := by_digest.pop(image.sha256, None)) is not None:
            del absent[name]
            findings.append(Finding("renamed", name, f"{name} is there under the name {image.id}"))
        else:
            findings.append(Finding("extra", image.id, f"{image.id} does not belong to the set"))
    return findings + [Finding("missing", name, f"{name} is missing") for name in sorted(absent)]


def _against_ids(wanted: Iterable[str], seen: Sequence[Seen]) -> list[Finding]:
    want, here = set(wanted), {image.id for image in seen}
    missing = [Finding("missing", name, f"{name} is missing") for name in sorted(want - here)]
    return missing + [Finding("extra", name, f"{name} does not belong to the set") for name in sorted(here - want)]


def _against_counts(counts: Sequence[int], found: int) -> list[Finding]:
    if not counts or found in counts:
        return []
    wanted = " or ".join(f"{count:,}" for count in counts)
    return [Finding("count", "", f"there are {found:,} images, not {wanted}")]


def _fits(image: Seen, size: int) -> bool:
    return (image.width, image.height) == (size, size)


def _wrong_size(image: Seen, size: int) -> Finding:
    return Finding("size", image.id, f"{image.id} is {image.width}×{image.height} pixels, not {size}×{size}")
