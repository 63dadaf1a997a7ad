"""What a run would do, for `--dry-run`: nothing is computed, written or downloaded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bfrbench.bench import manifest as manifests
from bfrbench.bench.journal import Journal
from bfrbench.errors import BfrbenchError

if TYPE_CHECKING:
    from bfrbench.bench.plan import Plan


def preview(plan: Plan) -> dict[str, Any]:
    """Everything settled, what is done already, and what is missing."""
    choices, stage = plan.draft.choices, plan.stage
    here = (plan.folder / manifests.FILE).exists()
    journal = Journal(plan.folder, manifests.adopt(plan.folder, plan.draft) if here else plan.draft)
    landed = journal.landed()
    done = sum(len(shard.ids) for shard in journal.shards if shard.number in landed)
    return {
        "board": f"{stage.board.name} ({choices.board_digest[:12]})",
        "restorer": f"{choices.restorer.ref} (plugin {choices.restorer.plugin or 'none'})",
        "weights": ", ".join(f"{name} {digest[:12]}" for name, digest in choices.restorer.weights.items()) or "none",
        "images": f"{len(plan.draft.ids)} of {plan.draft.total}",
        "done": f"{done} images in {len(landed)} of {len(journal.shards)} shards",
        "batches": f"{choices.batch} images, {choices.shard} a shard",
        "device": f"{plan.device}, {choices.restorer.precision}, {choices.threads} threads",
        "worker": f"a process of its own, {choices.time_limit:g} s a batch" if plan.isolated else "this process",
        "metrics": ", ".join(metric.name for metric in stage.metrics),
        "skipped": ", ".join(f"{name} ({why})" for name, why in stage.skipped.items()) or "none",
        "missing": "; ".join(missing(plan)) or "nothing",
        "folder": str(plan.folder),
    }


def missing(plan: Plan) -> list[str]:
    """Weight files and reference statistics that the metrics will ask for and that are not here."""
    from bfrbench.metrics.references import open_reference
    from bfrbench.weights import WeightStore

    store = WeightStore(offline=True)
    names = dict.fromkeys(name for metric in plan.stage.metrics for name in metric.kind.weights)
    lacking = []
    for name in names:
        try:
            if store.find(name) is None:
                lacking.append(f"weight file {name} (see 'bfrbench weights path {name}')")
        except BfrbenchError as error:
            lacking.append(str(error))
    for metric in plan.stage.metrics:
        try:
            open_reference(metric, plan.stage.protocol, store, tested=plan.draft.ids)
        except BfrbenchError as error:
            lacking.append(str(error))
    return lacking
