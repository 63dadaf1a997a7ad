"""`bfrbench certify`: does a protocol reproduce what was published of released outputs?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from bfrbench.cli.output import Json, print_json, print_table

if TYPE_CHECKING:
    from bfrbench.metrics.certify import Finding
    from bfrbench.metrics.finaliser import Value
    from bfrbench.metrics.folders import Folders
    from bfrbench.metrics.protocol import Protocol
    from bfrbench.specs import Need

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

    Exits with 0 when every number is certified, 1 when one is not, and 4 when none is off but one or more cannot be
    measured here: without the ground truth, a weight file or reference statistics. The reason stands beside each.

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
    from bfrbench.metrics import load_protocol
    from bfrbench.metrics.certify import certify as compare
    from bfrbench.metrics.certify import overall, read_table
    from bfrbench.metrics.folders import pair_folders
    from bfrbench.metrics.references import parse_given

    whole = load_protocol(protocol)
    published = read_table(table, whole)
    named = {one.metric for one in published}
    part = whole.only([metric.name for metric in whole.metrics if metric.name in named])
    folders = pair_folders(results, {"gt": gt})
    values, not_measured = _measured(part, folders, parse_given(reference), batch, device)
    findings = compare(published, values, not_measured, allowed)
    verdict = overall(findings)
    images = len(folders.ids)
    if json:
        about = {"protocol": {"name": whole.name, "digest": whole.digest}, "images": images, "verdict": verdict}
        print_json(about | {"findings": [asdict(finding) for finding in findings]})
    else:
        lines = [(one.metric, one.published, _number(one.ours), _number(one.off), _verdict(one)) for one in findings]
        title = f"{whole.name} ({whole.digest[:12]}): {verdict}, {images} images"
        print_table(("metric", "published", "ours", "off by", "verdict"), lines, title=title)
    return {"certified": 0, "not certified": NOT_CERTIFIED, "cannot say": CANNOT_SAY}[verdict]


def _measured(
    part: Protocol, folders: Folders, given: dict[str, Path], batch: int, device: str
) -> tuple[Mapping[str, Value], Mapping[str, str]]:
    """Every number that can be had here, and why the others cannot."""
    from bfrbench.metrics import Scorer
    from bfrbench.metrics.certify import obstacles
    from bfrbench.metrics.scoring import references_of, score
    from bfrbench.weights import WeightStore

    store = WeightStore()
    available: tuple[Need, ...] = ("gt",) if "gt" in folders.files else ()
    not_measured = obstacles(part, available, store, given)
    if not (names := [metric.name for metric in part.metrics if metric.name not in not_measured]):
        return {}, not_measured
    scorer = Scorer(part.only(names), device, store, available=available)
    wanted = {name: path for name, path in given.items() if name not in not_measured}
    references = references_of(scorer, store, wanted, tested=folders.ids)
    found = score(folders.batches(batch), scorer, references=references)
    return found.values, not_measured


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.5g}"


def _verdict(finding: Finding) -> str:
    return f"{finding.verdict}: {finding.reason}" if finding.reason else str(finding.verdict)
