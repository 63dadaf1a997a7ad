"""`bfrbench score`: numbers for people who have two folders."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import cyclopts

from bfrbench.cli.output import Json, print_json, print_table
from bfrbench.errors import UsageError

Names = Annotated[list[str] | None, cyclopts.Parameter(consume_multiple=True)]
Positive = Annotated[int, cyclopts.Parameter(validator=cyclopts.validators.Number(gte=1))]


def score(
    restored: Path,
    /,
    *,
    gt: Path | None = None,
    protocol: str = "bfrbench-v1",
    metrics: Names = None,
    without: Names = None,
    also: Names = None,
    lq: Path | None = None,
    draws: Path | None = None,
    posterior_mean: Path | None = None,
    reference: list[str] | None = None,
    per_image: Path | None = None,
    features: bool = False,
    batch: Positive = 8,
    device: str = "cpu",
    json: Json = False,
) -> None:
    """Score a folder of restored images under a protocol. Folders are paired by file name without suffix.

    Parameters
    ----------
    restored
        Folder of restored images.
    gt
        Folder of the ground truth.
    protocol
        A name of 'bfrbench protocols list', or a TOML file.
    metrics
        Only these metrics of the protocol.
    without
        All metrics of the protocol but these.
    also
        More metrics, by name: pyiqa:NAME for any of pyiqa's. They are not part of the protocol.
    lq
        Folder of the low-quality images, for consistency.
    draws
        The draws table that 'bfrbench degrade --draws' wrote, for consistency.
    posterior_mean
        Folder of a posterior-mean estimator's outputs, for IndRMSE.
    reference
        Statistics for a metric, as METRIC=FILE; else they are looked up by the name in the protocol.
    per_image
        Write what each metric says of each image to this parquet file.
    features
        With --per-image: write features too, so that distances can be computed again from the file.
    batch
        Images at a time.
    device
        Where networks run: cpu, cuda, cuda:1.
    """
    from bfrbench.metrics import load_protocol
    from bfrbench.metrics.api import score as score_folders
    from bfrbench.metrics.explain import score_as_data, score_lines
    from bfrbench.metrics.references import parse_given

    if features and per_image is None:
        raise UsageError("--features says to write features, and there is no --per-image", "add --per-image FILE")
    table = _Table(features) if per_image is not None else None
    found = score_folders(
        restored,
        gt,
        protocol=protocol,
        metrics=metrics or (),
        without=without or (),
        also=also or (),
        lq=lq,
        draws=draws,
        posterior_mean=posterior_mean,
        references=parse_given(reference),
        batch=batch,
        device=device,
        watch=None if table is None else table.add,
    )
    if table is not None and per_image is not None:
        table.write(per_image)
    if json:
        print_json(score_as_data(found))
        return
    chosen = found.protocol
    whole = "" if chosen.digest == load_protocol(protocol).digest else ", not the whole protocol"
    title = f"{restored} under {chosen.name}{whole} ({chosen.digest[:12]}), {found.images} images"
    print_table(("metric", "better", "value", "N", "remarks"), score_lines(found), title=title)


class _Table:
    """Rows as they pass, for --per-image."""

    def __init__(self, features: bool) -> None:
        self._features = features
        self._parts: list[Any] = []

    def add(self, batch, rows) -> None:  # type: ignore[no-untyped-def]
        from dataclasses import replace

        from bfrbench import digests
        from bfrbench.bench.rowtable import ImageRow, make
        from bfrbench.imaging.convert import from_tensor

        images = [
            ImageRow(name, "ok", digests.of_array(from_tensor(image)))
            for name, image in zip(batch.ids, batch.restored, strict=True)
        ]
        kept = (
            rows
            if self._features
            else {name: [replace(row, feature=None) for row in some] for name, some in rows.items()}
        )
        self._parts.append(make(images, kept))

    def write(self, path: Path) -> None:
        from pyarrow import parquet

        from bfrbench.atomic import landing
        from bfrbench.bench.rowtable import join

        with landing(path) as part:
            parquet.write_table(join(self._parts), part)
