"""From a journal with every shard landed to the scorecard and the rows beside it."""

from __future__ import annotations

import json
import statistics
import time
from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from bfrbench import digests
from bfrbench.bench import concluding, provenance, rowtable, scorecard, sealed
from bfrbench.bench.concluding import Concluding
from bfrbench.bench.journal import Journal, writing
from bfrbench.bench.plan import Plan
from bfrbench.bench.scorecard import Observed, Provenance, RestorerCard, Results, Scorecard
from bfrbench.bench.summary import Summary, run_status, summarise
from bfrbench.bench.work import OBSERVED
from bfrbench.digests import Digest
from bfrbench.progress import Progress

if TYPE_CHECKING:
    import pyarrow as pa

    from bfrbench.metrics.reference import Reference

_NOTES_SHOWN = 50


def conclude(plan: Plan, journal: Journal, references: Mapping[str, Reference]) -> Scorecard:
    """Read the rows, compute every number, and write `rows.parquet` and then `scorecard.json`."""
    tables = [journal.read(shard) for shard in journal.shards]
    seen = [piece for table in tables for piece in json.loads((table.schema.metadata or {}).get(OBSERVED, b"[]"))]
    table = rowtable.join([table.replace_schema_metadata(None) for table in tables])
    del tables  # rows are held once while numbers are made of them
    digest = rowtable.digest_of([table])
    with Progress(f"conclusion of {plan.spec.id} on {plan.stage.board.name}", total=None, unit="step") as shown:
        watch = Concluding(journal.folder, _follows_from(plan, digest), shown)
        summary = summarise(table, plan.stage.metrics, plan.stage.board.breakdown, references, watch)
    results = _results(plan, journal, table, summary, digest)
    card = Scorecard(
        results=results,
        results_digest=scorecard.digest_of(results),
        provenance=_provenance(journal),
        observed=_observed(table, seen),
    )
    with writing(journal.folder):
        sealed.write(journal.folder / scorecard.ROWS, [table], table.schema)
        scorecard.write(journal.folder / scorecard.FILE, card)
    concluding.forget(journal.folder)
    return card


def _follows_from(plan: Plan, rows: Digest) -> dict[str, Any]:
    """What numbers depend on besides the metric: the code that is running among it."""
    breakdowns = [one.model_dump(mode="json") for one in plan.stage.board.breakdown]
    return {"rows": rows, "breakdowns": breakdowns, "versions": provenance.versions(), "code": plan.code}


def _results(plan: Plan, journal: Journal, table: pa.Table, summary: Summary, rows: Digest) -> Results:
    manifest, choices, stage = journal.manifest, journal.manifest.choices, plan.stage
    failed = scorecard.failed_in_all(summary.failures, summary.metrics)
    inputs = list(zip(table.column("id").to_pylist(), table.column("input").to_pylist(), strict=True))
    return Results(
        status=run_status(len(manifest.ids), manifest.total, failed, stage.board.max_failures),
        board=stage.board.name,
        board_digest=choices.board_digest,
        dataset=stage.board.dataset,
        dataset_digest=choices.dataset_digest,
        degradation=stage.board.degradation,
        degradation_digest=choices.degradation_digest,
        protocol=stage.protocol.name,
        protocol_digest=choices.protocol_digest,
        inputs_digest=digests.of_data(sorted(inputs)),
        rows_digest=rows,
        restorer=_restorer(plan, journal),
        images=len(manifest.ids),
        total=manifest.total,
        failures=summary.failures,
        failed_images=summary.failed_images,
        metrics=summary.metrics,
        skipped=stage.skipped,
        breakdowns=summary.breakdowns,
    )


def _restorer(plan: Plan, journal: Journal) -> RestorerCard:
    spec = plan.spec
    return RestorerCard(
        **journal.manifest.choices.restorer.model_dump(),
        licence=spec.licence,
        trained_on=spec.trained_on,
        loss_networks=spec.loss_networks,
        deterministic=spec.deterministic,
        sees_ground_truth=spec.sees_ground_truth,
        ranked=spec.ranked,
        citation=spec.citation,
    )


def _provenance(journal: Journal) -> Provenance:
    manifest, choices = journal.manifest, journal.manifest.choices
    return Provenance(
        created=manifest.created,
        git=manifest.git,
        versions=choices.versions,
        device=choices.device,
        threads=choices.threads,
        batch=choices.batch,
        shard=choices.shard,
        seed=choices.board.seed,
        limit=choices.limit,
        time_limit=choices.time_limit,
        weights={name: digest for name, digest in choices.metric_weights.items() if digest is not None},
    )


def _observed(table: pa.Table, seen: list[dict[str, Any]]) -> Observed:
    hosts: Counter[str] = Counter()
    for piece in seen:
        hosts[piece["host"]] += piece["images"]
    notes = Counter(note for piece in seen for note in piece["notes"])
    times = [value for value in table.column("seconds").to_pylist() if value]
    devices = tuple(sorted({piece["device"] for piece in seen}))
    return Observed(
        finished=time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        seconds=round(sum(times), 6) if times else None,
        seconds_per_image=round(statistics.median(times), 9) if times else None,
        peak_memory=max((piece["memory"] for piece in seen), default=0),
        parameters=next((piece["parameters"] for piece in seen if piece["parameters"]), None),
        macs=next((piece["macs"] for piece in seen if piece["macs"]), None),
        hosts=dict(hosts),
        devices=devices,
        pieces=len(seen),
        notes=tuple(note for note, _ in notes.most_common(_NOTES_SHOWN)),
    )
