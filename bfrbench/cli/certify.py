"""`bfrbench certify`: does a protocol reproduce what was published of released outputs?"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from bfrbench.cli.output import Json, print_json, print_table

NOT_CERTIFIED, CANNOT_SAY = 1, 4


def certify(
    protocol: str,
    /,
    *,
    results: Path,
    table: Path,
    gt: Path | None = None,
    reference: list[str] | None = None,
    allowed: float | None = None,
    batch: int = 8,
    device: str = "cpu",
    json: Json = False,
) -> int:
    """Score released outputs again and compare with the numbers that were published of them.

    Exits 0 when every number is certified, 1 when one is not, 4 when one could not be measured.

    Parameters
    ----------
    protocol
        The protocol that is to be certified.
    results
        Folder of the released outputs.
    table
        CSV with the columns metric and value, as printed in the paper.
    gt
        Folder of the ground truth.
    reference
        Statistics for a metric, as METRIC=FILE.
    allowed
        Difference that still counts as equal; by default one and a half units in the last printed digit.
    batch
        Images at a time.
    device
        Where networks run.
    """
    from bfrbench.metrics import Scorer, load_protocol
    from bfrbench.metrics.certify import certify as compare
    from bfrbench.metrics.certify import overall, read_table
    from bfrbench.metrics.folders import pair_folders
    from bfrbench.metrics.references import parse_given
    from bfrbench.metrics.scoring import references_of, score
    from bfrbench.weights import WeightStore

    whole = load_protocol(protocol)
    published = read_table(table, whole)
    named = {one.metric for one in published}
    part = whole.only([metric.name for metric in whole.metrics if metric.name in named])
    store = WeightStore()
    scorer = Scorer(part, device, store, available=("gt",) if gt is not None else ())
    found = score(
        pair_folders(results, {"gt": gt}).batches(batch),
        scorer,
        references=references_of(scorer, store, parse_given(reference)),
    )
    findings = compare(published, found.values, found.skipped, allowed)
    verdict = overall(findings)
    if json:
        about = {"protocol": {"name": whole.name, "digest": whole.digest}, "images": found.images, "verdict": verdict}
        print_json(about | {"findings": [asdict(finding) for finding in findings]})
    else:
        lines = [(one.metric, one.published, _number(one.ours), _number(one.off), _verdict(one)) for one in findings]
        title = f"{whole.name} ({whole.digest[:12]}): {verdict}, {found.images} images"
        print_table(("metric", "published", "ours", "off by", "verdict"), lines, title=title)
    return {"certified": 0, "not certified": NOT_CERTIFIED, "cannot say": CANNOT_SAY}[verdict]


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.5g}"


def _verdict(finding) -> str:  # type: ignore[no-untyped-def]
    return f"{finding.verdict}: {finding.reason}" if finding.reason else str(finding.verdict)
