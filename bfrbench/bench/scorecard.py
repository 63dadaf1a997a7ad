"""The scorecard: an immutable JSON file with the results, all they depend on, and what was seen on the way.

`results` has a digest and is the same after any resume and for any number of processes; `observed` is not part of
it. The rows lie beside it in a sealed parquet file whose digest is among the results.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, TypeAlias

import pydantic

from bfrbench import atomic, config, digests
from bfrbench.config import Frozen
from bfrbench.digests import Digest
from bfrbench.errors import InputError

SCHEMA_VERSION = "1"
FILE = "scorecard.json"
ROWS = "rows.parquet"
SCHEMA_FILE = Path(__file__).with_name("scorecard.schema.json")

RunStatus: TypeAlias = Literal["complete", "partial", "failed"]


class Measured(Frozen):
    """One number: value, interval, and what it rests on."""

    value: float | None
    low: float | None = None
    high: float | None = None
    level: float | None = None
    n: int
    """Images that the number rests on."""
    failed: dict[str, int] = pydantic.Field(default_factory=dict)
    """Images that this metric could not measure, by reason."""
    extra: dict[str, float] = pydantic.Field(default_factory=dict)
    note: str = ""


class MetricResult(Measured):
    """One metric over the whole set."""

    higher_is_better: bool
    unit: str = ""
    ideal: float | None = None
    reference: str | None = None
    """The set whose statistics it is a distance to, where it is not the ground truth."""
    reference_digest: Digest | None = None
    digest: Digest
    """Of every choice behind the number."""


class BreakdownResult(Frozen):
    """The metrics over one bin of a breakdown."""

    by: str
    bin: str
    n: int
    metrics: dict[str, Measured]


class RestorerCard(Frozen):
    """Which restorer it was, and what it says of itself."""

    ref: str
    id: str
    argument: str | None = None
    options: dict[str, Any] = pydantic.Field(default_factory=dict)
    plugin: str
    package: str
    version: str
    precision: str
    sample: int = 0
    point: float | None = None
    weights: dict[str, Digest] = pydantic.Field(default_factory=dict)
    licence: str
    trained_on: tuple[str, ...] = ()
    loss_networks: tuple[str, ...] = ()
    deterministic: bool = True
    sees_ground_truth: bool = False
    ranked: bool = True
    citation: str = ""


class FailedImage(Frozen):
    """An image that was not restored, and why."""

    id: str
    status: str


class Results(Frozen):
    """What was measured: equal whenever the same thing is measured in the same environment."""

    status: RunStatus
    board: str
    board_digest: Digest
    dataset: str
    dataset_digest: Digest
    degradation: str
    degradation_digest: Digest | None
    """None when the low-quality images came with the set."""
    protocol: str
    protocol_digest: Digest
    inputs_digest: Digest
    """Of the low-quality images and ground truths that were really seen, by id."""
    rows_digest: Digest
    restorer: RestorerCard
    images: int
    total: int
    """Images of the whole set."""
    failures: dict[str, int]
    failed_images: tuple[FailedImage, ...]
    metrics: dict[str, MetricResult]
    skipped: dict[str, str]
    """Metrics of the protocol that this set cannot answer, with the reason."""
    breakdowns: tuple[BreakdownResult, ...]


class Provenance(Frozen):
    """Everything else that the results depend on."""

    created: str
    git: str | None
    """Commit of the checkout that ran, if it ran from one."""
    versions: dict[str, str]
    device: str
    threads: int
    batch: int
    shard: int
    seed: int
    limit: int | None
    time_limit: float
    weights: dict[str, Digest] = pydantic.Field(default_factory=dict)
    """Of the files that metrics measured with; those of the restorer are with the restorer."""


class Observed(Frozen):
    """What was seen on the way and will differ the next time."""

    finished: str
    seconds: float | None
    """Of restoring alone, over all processes."""
    seconds_per_image: float | None
    peak_memory: int
    """Bytes."""
    parameters: int | None
    macs: int | None
    """Multiply-adds of one image at the board's size."""
    hosts: dict[str, int]
    """Images restored on each."""
    devices: tuple[str, ...] = ()
    pieces: int
    """Processes that worked on shards, an interrupted one counted each time."""
    notes: tuple[str, ...]
    """Failures in words, batches that were halved, workers that were started anew."""


class Scorecard(Frozen):
    """The file."""

    schema_version: Literal["1"] = SCHEMA_VERSION  # type: ignore[assignment]
    results: Results
    results_digest: Digest
    provenance: Provenance
    observed: Observed

    @pydantic.model_validator(mode="after")
    def _untouched(self) -> Scorecard:
        if self.results_digest != digest_of(self.results):
            raise ValueError("the results were altered: they do not have the digest that stands beside them")
        return self

    def dump(self) -> dict[str, Any]:
        return self.model_dump(mode="json")


def digest_of(results: Results) -> Digest:
    return digests.of_data(results.model_dump(mode="json"))


def raised(failures: Mapping[str, int], metrics: Mapping[str, MetricResult]) -> dict[str, int]:
    """On how many images that were restored each metric raised, for those that did."""
    errors = {name: result.failed.get("error", 0) - failures.get("error", 0) for name, result in metrics.items()}
    return {name: count for name, count in errors.items() if count > 0}


def failed_in_all(failures: Mapping[str, int], metrics: Mapping[str, MetricResult]) -> int:
    """How many images count as failed: those that were not restored, and those on which the worst metric raised."""
    return sum(failures.values()) + max(raised(failures, metrics).values(), default=0)


def failed_in_words(results: Results, max_failures: float) -> str:
    """How many images a failed run lost, and to what."""
    kinds = [f"{number} {kind}" for kind, number in results.failures.items()]
    kinds += [f"{name} raised on {number}" for name, number in raised(results.failures, results.metrics).items()]
    count = failed_in_all(results.failures, results.metrics)
    return f"{count} of {results.images} images failed ({', '.join(kinds)}) and the board allows {max_failures:.2%}"


def write(path: Path, card: Scorecard) -> None:
    atomic.write_json(path, card.dump())


def read(path: Path) -> Scorecard:
    """A scorecard, from its file or from the folder that holds it; altered results are refused."""
    file = path / FILE if path.is_dir() else path
    try:
        data = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise InputError(f"there is no scorecard {file}", "give a scorecard or the folder of a finished run") from error
    except (OSError, ValueError) as error:
        raise InputError(f"{file} is no scorecard ({error})", "give a file that 'bfrbench run' wrote") from error
    version = data.get("schema_version") if isinstance(data, dict) else None
    if version != SCHEMA_VERSION:
        problem = f"{file} has schema version {version!r} and this bfrbench reads {SCHEMA_VERSION!r}"
        raise InputError(problem, "read it with the bfrbench that wrote it, or run the board again")
    return config.parse(data, Scorecard, where=str(file))


def json_schema() -> dict[str, Any]:
    """The published schema of the file."""
    schema = Scorecard.model_json_schema(mode="serialization")
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}
