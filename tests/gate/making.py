"""Sides made from plain numbers: scorecards and rows of a board, without images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from bfrbench import digests
from bfrbench.bench import rowtable, scorecard
from bfrbench.bench.board import Board
from bfrbench.bench.scorecard import Observed, Provenance, RestorerCard, Results, Scorecard
from bfrbench.bench.summary import run_status, summarise
from bfrbench.contracts import Row
from bfrbench.gate import Side
from bfrbench.metrics import load_protocol

Values = Mapping[str, Sequence[float | None]]
YAWS = (-40.0, -10.0, 10.0, 40.0)


def board_with(*rules: dict[str, object], **changes: object) -> Board:
    facts = {
        "name": "numbers",
        "title": "Numbers",
        "summary": "For tests.",
        "dataset": "numbers",
        "size": 64,
        "degradation": "given",
        "protocol": "basic-v1",
        "max_failures": 0.0,
        "breakdown": [{"by": "yaw", "edges": [0.0]}],
        "ranking": {"metric": "psnr"},
        "gate": list(rules),
    }
    return Board.model_validate({**facts, **changes})


def side(board: Board, values: Values, /, *, people: int | None = None, ref: str = "a", **changes: object) -> Side:
    """A side whose metrics have these numbers; None is an image that could not be measured."""
    count = len(next(iter(values.values())))
    images = [
        rowtable.ImageRow(
            id=f"image-{index:05d}",
            status="ok" if all(numbers[index] is not None for numbers in values.values()) else "error",
            input="0" * 64,
            identity=None if people is None else f"person-{index % people}",
            yaw=YAWS[index % len(YAWS)],
        )
        for index in range(count)
    ]
    rows = {
        name: [_row(image.id, number) for image, number in zip(images, numbers, strict=True)]
        for name, numbers in values.items()
    }
    table = rowtable.make(images, rows)
    metrics = [metric for metric in load_protocol(board.protocol).metrics if metric.name in values]
    summary = summarise(table, metrics, board.breakdown, {})
    failures = sum(summary.failures.values())
    facts: dict[str, object] = {
        "status": run_status(count, count, failures, board.max_failures),
        "board": board.name,
        "board_digest": digests.of_data("board"),
        "dataset": board.dataset,
        "dataset_digest": digests.of_data("dataset"),
        "degradation": board.degradation,
        "degradation_digest": None,
        "protocol": board.protocol,
        "protocol_digest": load_protocol(board.protocol).digest,
        "inputs_digest": digests.of_data(["inputs", count]),
        "rows_digest": rowtable.digest_of([table]),
        "restorer": restorer(ref),
        "images": count,
        "total": count,
        "failures": summary.failures,
        "failed_images": summary.failed_images,
        "metrics": summary.metrics,
        "skipped": {},
        "breakdowns": summary.breakdowns,
    }
    results = Results(**{**facts, **changes})  # type: ignore[arg-type]
    return Side(card_of(results), table)


def restorer(ref: str, **changes: object) -> RestorerCard:
    facts = {"ref": ref, "id": ref, "plugin": "tests", "package": "tests", "version": "1", "precision": "float32"}
    return RestorerCard.model_validate({**facts, "licence": "MIT", **changes})


def card_of(results: Results) -> Scorecard:
    return Scorecard(
        results=results,
        results_digest=scorecard.digest_of(results),
        provenance=Provenance(
            created="then",
            git=None,
            versions={},
            device="cpu",
            threads=1,
            batch=8,
            shard=8,
            seed=0,
            limit=None,
            time_limit=1.0,
        ),
        observed=Observed(
            finished="then",
            seconds=1.0,
            seconds_per_image=0.01,
            peak_memory=1 << 20,
            parameters=1000,
            macs=1000,
            hosts={},
            pieces=1,
            notes=(),
        ),
    )


def _row(image_id: str, number: float | None) -> Row:
    return Row(image_id, "error") if number is None else Row(image_id, "ok", float(number))


def noisy(seed: int, count: int, *, mean: float = 25.0, spread: float = 2.0, own: float = 0.3) -> np.ndarray:
    """Numbers of images that differ much among each other, and a little from one answer to the next."""
    images = np.random.default_rng(999).normal(mean, spread, count)
    return images + np.random.default_rng(seed).normal(0, own, count)
