"""Scoring from Python: folders of finished images and a protocol in, numbers out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from bfrbench.errors import UsageError
from bfrbench.metrics.folders import GT, LQ, POSTERIOR_MEAN, Folders, pair_folders
from bfrbench.metrics.protocol import Protocol, load_protocol
from bfrbench.metrics.scorer import Scorer
from bfrbench.metrics.scoring import Score, Watcher, references_of
from bfrbench.metrics.scoring import score as score_batches
from bfrbench.progress import Progress

if TYPE_CHECKING:
    from bfrbench.contracts import Draw, Row, Scored
    from bfrbench.specs import Need

Place = str | Path


def score(
    restored: Place,
    gt: Place | None = None,
    *,
    protocol: Place = "bfrbench-v1",
    metrics: Sequence[str] = (),
    without: Sequence[str] = (),
    also: Sequence[str] = (),
    lq: Place | None = None,
    draws: Place | None = None,
    posterior_mean: Place | None = None,
    identities: Mapping[str, str] | None = None,
    references: Mapping[str, Place] | None = None,
    batch: int = 8,
    device: str = "cpu",
    watch: Watcher | None = None,
) -> Score:
    """Score a folder of restored images under a protocol: `score("results", "truth").values["psnr"].value`.

    Folders are paired by file name without suffix. `protocol` is a name or a TOML file; `metrics` takes only some of
    it, `without` all but some, and `also` adds `pyiqa:NAME`. `lq`, `draws` (a table of `bfrbench degrade --draws`),
    `posterior_mean` and `identities` (the person of each image by id) are for the metrics that need them; those that
    lack something are in `Score.skipped`, with the reason. `references` are files of statistics by metric; else they
    are looked up by the protocol's name for them.
    `watch` sees every batch and its rows as they pass.
    """
    from bfrbench.weights import WeightStore

    if batch < 1:
        raise UsageError(f"{batch} images at a time are none", "give a batch of 1 or more")
    chosen = _cut(protocol, metrics, without, also)
    others = {GT: gt, LQ: lq, POSTERIOR_MEAN: posterior_mean}
    paths = {role: None if place is None else Path(place) for role, place in others.items()}
    folders = pair_folders(Path(restored), paths, _draws(draws))
    store = WeightStore()
    scorer = Scorer(chosen, device, store, available=_available(folders, identities))
    given = {metric: Path(place) for metric, place in (references or {}).items()}
    found = references_of(scorer, store, given, tested=folders.ids)
    with Progress("scoring", total=len(folders.ids)) as progress:

        def seen(scored: Scored, rows: Mapping[str, list[Row]]) -> None:
            progress.advance(len(scored.ids))
            if watch is not None:
                watch(scored, rows)

        return score_batches(folders.batches(batch), scorer, references=found, identities=identities, watch=seen)


def _cut(name: Place, metrics: Sequence[str], without: Sequence[str], also: Sequence[str]) -> Protocol:
    from bfrbench.metrics.adding import with_pyiqa

    metrics, without, also = ([each] if isinstance(each, str) else each for each in (metrics, without, also))
    protocol = load_protocol(name)
    if metrics and without:
        raise UsageError("metrics and without are two ways to say the same", "give one of them")
    if metrics:
        protocol = protocol.only(metrics)
    if without:
        dropped = {protocol.metric(one).name for one in without}
        protocol = protocol.only([one.name for one in protocol.metrics if one.name not in dropped])
    for one in also:
        protocol = with_pyiqa(protocol, one)
    return protocol


def _draws(place: Place | None) -> Mapping[str, Draw] | None:
    if place is None:
        return None
    from bfrbench.degradations.draws import Replay

    return Replay.open(str(place)).draws


def _available(folders: Folders, identities: Mapping[str, str] | None) -> list[Need]:
    roles: tuple[Need, ...] = ("gt", "lq", "posterior-mean")
    draws: tuple[Need, ...] = ("draws",) if folders.draws else ()
    named: tuple[Need, ...] = ("identity",) if identities else ()
    return [*(role for role in roles if role in folders.files), *draws, *named]
