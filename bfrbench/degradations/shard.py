"""A few images at a time: read, degrade, write, and keep a record of what was made. Runs in worker processes."""

from __future__ import annotations

import io
import json
import uuid
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from bfrbench import atomic
from bfrbench.degradations.draws import ops_json
from bfrbench.degradations.equality import pixels_digest
from bfrbench.degradations.files import TARGETS
from bfrbench.degradations.library import load_recipe, severity_of
from bfrbench.errors import BfrbenchError, InputError
from bfrbench.imaging.read import read_image
from bfrbench.imaging.write import write_image

if TYPE_CHECKING:
    from bfrbench.contracts import Draw, Pair, U8Image
    from bfrbench.data.card import Ids

Format: TypeAlias = Literal["png", "webp", "parquet"]
Row: TypeAlias = dict[str, Any]

IMAGES_A_SHARD = 32
"""At most: what a worker takes at a time, what a crash can lose, and what one parquet file holds."""
_RECORDS = ".records"


@dataclass(frozen=True)
class Job:
    """One call of `bfrbench degrade`."""

    source: Path
    out: Path
    recipe: str
    seed: int = 0
    view: int = 0
    format: Format = "png"
    labels: Path | None = None
    skip_bad: bool = False
    ids: Ids = "stem"
    touches_target: bool = True


@dataclass(frozen=True)
class Shard:
    """Images to be made, and, afterwards, what became of them."""

    job: Job
    files: list[tuple[str, Path]]
    rows: list[Row] = field(default_factory=list)
    bad: list[str] = field(default_factory=list)


def make_shard(shard: Shard) -> Shard:
    """Degrade and write the images of a shard, then its record."""
    job, recipe = shard.job, load_recipe(shard.job.recipe)
    rows: list[Row] = []
    bad: list[str] = []
    stored: list[dict[str, Any]] = []
    for image_id, path in shard.files:
        try:
            pair, draw = _pair(job, recipe, image_id, path)
        except InputError as error:
            if not job.skip_bad:
                raise
            bad.append(str(error))
            continue
        rows.append(_row(job, recipe, pair, draw))
        if job.format == "parquet":
            stored.append(_cells(pair))
        else:
            _write_files(job, image_id, pair)
    _write_record(job, rows, stored)
    return replace(shard, rows=rows, bad=bad)


def known_rows(job: Job) -> dict[str, Row]:
    """What earlier calls made and what is still there."""
    rows: dict[str, Row] = {}
    for record in sorted((job.out / _RECORDS).glob("*.json")):
        if job.format == "parquet" and not (job.out / f"{record.stem}.parquet").exists():
            continue
        for row in json.loads(record.read_text(encoding="utf-8")):
            if job.format == "parquet" or (job.out / f"{row['id']}.{job.format}").exists():
                rows[row["id"]] = row
    return rows


def psnr(a: U8Image, b: U8Image) -> float:
    """In decibels; 100 for equal images, which have none."""
    import numpy as np

    error = float(np.square(a.astype(np.float64) - b).mean())
    return round(min(10 * float(np.log10(255**2 / error)), 100.0), 4) if error else 100.0


def _pair(job: Job, recipe: Any, image_id: str, path: Path) -> tuple[Pair, Draw]:
    image = read_image(path)
    draw = recipe.draw(job.seed, image_id, view=job.view)
    try:
        if job.labels is None:
            return recipe.apply(image, draw), draw
        from bfrbench.degradations.exact import apply

        return apply(image, draw, labels=_labels(job.labels, image_id, path.relative_to(job.source.absolute()))), draw
    except BfrbenchError as error:
        raise InputError(f"{path}: {error.problem}", error.remedy) from error


def _labels(folder: Path, image_id: str, inside: Path) -> U8Image:
    """A parsing map: a PNG whose numbers, not colours, are the classes."""
    import numpy as np
    from PIL import Image

    places = (folder / f"{image_id}.png", folder / inside.with_suffix(".png"))
    path = next((place for place in places if place.is_file()), places[0])
    try:
        with Image.open(path) as opened:
            if opened.mode not in ("L", "P"):
                raise InputError(f"{path} has mode {opened.mode}", "give parsing maps with one channel")
            return np.asarray(opened)
    except OSError as error:
        raise InputError(f"the parsing map {path} cannot be read ({error})", "give one PNG for each image") from error


def _row(job: Job, recipe: Any, pair: Pair, draw: Draw) -> Row:
    severity = severity_of(recipe, draw)
    return {
        "id": draw.image_id,
        "recipe": draw.recipe,
        "seed": job.seed,
        "view": draw.view,
        "noise_key": draw.noise_key,
        "severity": severity,
        "psnr": psnr(pair.lq, pair.gt) if pair.lq.shape == pair.gt.shape else None,
        "sha256": pixels_digest(pair.lq),
        "height": pair.lq.shape[0],
        "width": pair.lq.shape[1],
        "ops": ops_json(draw),
    }


def _write_files(job: Job, image_id: str, pair: Pair) -> None:
    write_image(job.out / f"{image_id}.{job.format}", pair.lq)
    if job.touches_target:
        write_image(job.out / TARGETS / f"{image_id}.{job.format}", pair.gt)


def _cells(pair: Pair) -> dict[str, Any]:
    """Images as Hugging Face `datasets` stores them."""
    return {name: {"bytes": _png(getattr(pair, name)), "path": None} for name in ("lq", "gt")}


def _png(image: U8Image) -> bytes:
    from PIL import Image

    encoded = io.BytesIO()
    Image.fromarray(image).save(encoded, "PNG", compress_level=4)
    return encoded.getvalue()


def _write_record(job: Job, rows: list[Row], stored: list[dict[str, Any]]) -> None:
    if not rows:
        return
    name = f"part-{uuid.uuid5(uuid.NAMESPACE_URL, rows[0]['id']).hex[:12]}"
    if job.format == "parquet":
        _write_parquet(job.out / f"{name}.parquet", rows, stored)
    record = job.out / _RECORDS / f"{name}.json"
    with atomic.told(record):
        atomic.write_json(record, rows)


def _write_parquet(path: Path, rows: list[Row], stored: list[dict[str, Any]]) -> None:
    """A file that Hugging Face `datasets` opens with `lq` and `gt` as images."""
    import pyarrow as pa
    from pyarrow import parquet

    table = pa.Table.from_pylist(rows)
    image = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    for name in ("lq", "gt"):
        table = table.append_column(name, pa.array([cell[name] for cell in stored], image))
    plain = {"string": "string", "int64": "int64", "double": "float64"}
    kinds = {f.name: {"dtype": plain.get(str(f.type), "null"), "_type": "Value"} for f in table.schema}
    features = {**kinds, "lq": {"_type": "Image"}, "gt": {"_type": "Image"}}
    table = table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    with atomic.told(path), atomic.landing(path) as part:
        parquet.write_table(table, part)
