"""`bfrbench score`: numbers for people who have two folders."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import cyclopts

from bfrbench.cli.output import Json, print_json, print_table
from bfrbench.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bfrbench.contracts import Draw
    from bfrbench.metrics import Protocol
    from bfrbench.metrics.folders import Folders
    from bfrbench.specs import Need

_DRAWS: tuple[Need, ...] = ("draws",)
Positive = Annotated[int, cyclopts.Parameter(validator=cyclopts.validators.Number(gte=1))]


def score(
    restored: Path,
    /,
    *,
    gt: Path | None = None,
    protocol: str = "bfrbench-v1",
    metrics: list[str] | None = None,
    without: list[str] | None = None,
    also: list[str] | None = None,
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
    from bfrbench.metrics.explain import score_as_data, score_lines
    from bfrbench.metrics.folders import pair_folders
    from bfrbench.metrics.references import parse_given
    from bfrbench.metrics.scorer import Scorer
    from bfrbench.metrics.scoring import references_of
    from bfrbench.metrics.scoring import score as score_batches
    from bfrbench.progress import Progress
    from bfrbench.weights import WeightStore

    if features and per_image is None:
        raise UsageError("--features says to write features, and there is no --per-image", "add --per-image FILE")
    chosen = _cut(protocol, metrics, without, also)
    folders = pair_folders(restored, {"gt": gt, "lq": lq, "posterior-mean": posterior_mean}, _draws(draws))
    store = WeightStore()
    _refuse_no_device(device)
    scorer = Scorer(chosen, device, store, available=_available(folders))
    references = references_of(scorer, store, parse_given(reference))
    table = _Table(features) if per_image is not None else None
    with Progress("scoring", total=len(folders.ids)) as progress:

        def watch(seen, rows):  # type: ignore[no-untyped-def]
            progress.advance(len(seen.ids))
            if table is not None:
                table.add(seen, rows)

        found = score_batches(folders.batches(batch), scorer, references=references, watch=watch)
    if table is not None and per_image is not None:
        table.write(per_image)
    if json:
        print_json(score_as_data(found))
        return
    whole = "" if chosen.digest == _whole_digest(protocol) else ", not the whole protocol"
    title = f"{restored} under {chosen.name}{whole} ({chosen.digest[:12]}), {found.images} images"
    print_table(("metric", "better", "value", "N", "remarks"), score_lines(found), title=title)


def _cut(name: str, metrics: list[str] | None, without: list[str] | None, also: list[str] | None) -> Protocol:
    from bfrbench.metrics import load_protocol
    from bfrbench.metrics.adding import with_pyiqa

    protocol = load_protocol(name)
    if metrics and without:
        raise UsageError("--metrics and --without are two ways to say the same", "give one of them")
    if metrics:
        protocol = protocol.only(metrics)
    if without:
        dropped = {protocol.metric(one).name for one in without}
        protocol = protocol.only([one.name for one in protocol.metrics if one.name not in dropped])
    for one in also or []:
        protocol = with_pyiqa(protocol, one)
    return protocol


def _whole_digest(name: str) -> str:
    from bfrbench.metrics import load_protocol

    digest: str = load_protocol(name).digest
    return digest


def _draws(path: Path | None) -> Mapping[str, Draw] | None:
    if path is None:
        return None
    from bfrbench.degradations.draws import Replay

    return Replay.open(str(path)).draws


def _available(folders: Folders) -> list[Need]:
    roles: tuple[Need, ...] = ("gt", "lq", "posterior-mean")
    return [*(role for role in roles if role in folders.files), *(_DRAWS if folders.draws else ())]


def _refuse_no_device(device: str) -> None:
    import torch

    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise UsageError(
            f"there is no device {device!r} here ({reason})", "give cpu, or one that torch sees"
        ) from error


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
