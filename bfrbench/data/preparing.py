"""From photographs to an aligned set: detect, align to the FFHQ template, crop, and keep what leads back.

Each image is noted in a journal as soon as its crop has landed, so that a run that was cut goes on where it
stopped. What could not be used is counted and named in the report, never passed over.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from bfrbench import atomic, digests, progress
from bfrbench.data import labels
from bfrbench.data.imageset import Samples
from bfrbench.data.verifying import MANIFEST, Seen, write_manifest
from bfrbench.errors import InputError, UsageError

if TYPE_CHECKING:
    from bfrbench.contracts import Sample
    from bfrbench.faces.detect import FaceDetector

JOURNAL, REPORT, TRANSFORMS = "prepared.jsonl", "report.json", "transforms.parquet"
_WINDOW = 8


@dataclass(frozen=True, slots=True)
class Settings:
    """What decides the crops; a folder holds those of one setting."""

    source: str
    detector: str
    size: int = 512
    border: str = "mirror"


@dataclass(frozen=True, slots=True)
class Prepared:
    """How many images gave a crop, and which did not."""

    out: Path
    crops: int
    not_found: tuple[str, ...]
    unreadable: tuple[tuple[str, str], ...]
    several: tuple[str, ...]
    """Images with more than one face: the crop is of the one that the photograph is of."""


def prepare(data: Samples, out: Path, detector: FaceDetector, *, size: int = 512) -> Prepared:
    """Crop the main face of every image of `data` into `out`, with labels, transforms, manifest and report."""
    journal = _Journal(out, Settings(data.ref, detector.name, size))
    waiting = [name for name in data.ids if name not in journal.entries]
    with progress.Progress("preparing", total=len(data)) as shown:
        shown.advance(len(data) - len(waiting))
        for window in _windows(waiting):
            readable = list(_read(data, window, journal))
            found = detector.batch([sample.image for sample in readable])
            for sample, faces in zip(readable, found, strict=True):
                journal.add(sample.id, _crop(sample, faces, out, size))
            shown.advance(len(window))
    return _finish(data, out, journal)


def crop_path(out: Path, name: str) -> Path:
    """Where an image's crop lies; an id from a table must not lead out of the folder."""
    pure = PurePosixPath(name)
    if pure.is_absolute() or ".." in pure.parts or "\0" in name or not pure.parts:
        raise InputError(f"the id {name!r} cannot be the name of a file", "rename it in the source")
    return out / f"{name}.png"


def _read(data: Samples, names: Sequence[str], journal: _Journal) -> Iterator[Sample]:
    for name in names:
        try:
            yield data[name]
        except InputError as error:
            journal.add(name, {"status": "unreadable", "problem": error.problem})


def _crop(sample: Sample, faces: Sequence[Any], out: Path, size: int) -> dict[str, Any]:
    from bfrbench.faces import align
    from bfrbench.faces.detect import main_face
    from bfrbench.imaging.write import write_image

    height, width = sample.image.shape[:2]
    face = main_face(faces, (width, height))
    if face is None:
        return {"status": "no-face", "source_size": [width, height]}
    matrix = align.similarity(face.points, align.template(align.FFHQ_512, size, 512))
    crop = align.warp(sample.image, matrix, (size, size), border="mirror", shrink=True)
    path = crop_path(out, sample.id)
    write_image(path, crop)
    return {
        "status": "ok",
        "source_size": [width, height],
        "faces": len(faces),
        "score": float(face.score),
        "points": align.apply(matrix, face.points).ravel().tolist(),
        "matrix": matrix.ravel().tolist(),
        "inverse": align.inverse(matrix).ravel().tolist(),
        "identity": sample.identity,
        "sha256": digests.of_file(path),
    }


class _Journal:
    """One line an image; a line that was cut off is done again."""

    def __init__(self, out: Path, settings: Settings) -> None:
        self.path, self.settings = out / JOURNAL, settings
        self.entries: dict[str, dict[str, Any]] = {}
        if self.path.is_file():
            self._resume()
        elif out.exists() and any(out.iterdir()):
            raise UsageError(f"{out} holds other files", "give an empty folder")
        else:
            with atomic.told(self.path):
                atomic.write_text(self.path, json.dumps({"settings": asdict(settings)}) + "\n")

    def add(self, name: str, entry: dict[str, Any]) -> None:
        self.entries[name] = entry
        with atomic.told(self.path), self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"id": name, **entry}, ensure_ascii=False) + "\n")

    def _resume(self) -> None:
        raw = self.path.read_bytes()
        whole = raw[: raw.rfind(b"\n") + 1]
        try:
            first, *rest = [json.loads(line) for line in whole.splitlines()]
            before = Settings(**first["settings"])
        except (ValueError, KeyError, TypeError) as error:
            raise InputError(f"{self.path} is damaged ({error})", "remove the folder and prepare again") from error
        if before != self.settings:
            changed = [k for k, v in asdict(before).items() if v != asdict(self.settings)[k]]
            raise UsageError(
                f"{self.path.parent} was prepared with another {' and '.join(changed)}", "give a new folder"
            )
        if len(whole) < len(raw):
            with atomic.told(self.path):
                atomic.write_bytes(self.path, whole)
        for entry in rest:
            name = entry.pop("id")
            if entry["status"] != "ok" or crop_path(self.path.parent, name).is_file():
                self.entries[name] = entry


def _finish(data: Samples, out: Path, journal: _Journal) -> Prepared:
    import pandas as pd

    entries = {name: journal.entries[name] for name in data.ids}
    good = {name: entry for name, entry in entries.items() if entry["status"] == "ok"}
    size = journal.settings.size
    columns = ("points", "identity")
    labels.write(out / labels.FILE, pd.DataFrame([{"id": n, **{c: e[c] for c in columns}} for n, e in good.items()]))
    wanted = ("source_size", "faces", "score", "matrix", "inverse")
    with atomic.told(out / TRANSFORMS), atomic.landing(out / TRANSFORMS) as part:
        pd.DataFrame([{"id": n, **{c: e[c] for c in wanted}} for n, e in good.items()]).to_parquet(part, index=False)
    write_manifest(out / MANIFEST, [Seen(name, entry["sha256"], size, size) for name, entry in good.items()])
    result = Prepared(
        out,
        len(good),
        tuple(name for name, entry in entries.items() if entry["status"] == "no-face"),
        tuple((name, entry["problem"]) for name, entry in entries.items() if entry["status"] == "unreadable"),
        tuple(name for name, entry in good.items() if entry["faces"] > 1),
    )
    told = {"settings": asdict(journal.settings), "images": len(entries), "crops": result.crops}
    lists = {"not_found": result.not_found, "unreadable": result.unreadable, "several_faces": result.several}
    with atomic.told(out / REPORT):
        atomic.write_json(out / REPORT, {**told, **lists})
    return result


def _windows(names: Iterable[str]) -> Iterator[list[str]]:
    waiting = iter(names)
    while window := list(islice(waiting, _WINDOW)):
        yield window
