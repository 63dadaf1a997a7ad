"""What the loop needs to know, whatever it trains. Every length is in images seen, whatever the number of GPUs."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal, TypeAlias

import pydantic

from bfrbench.config import Frozen, parse, read_toml
from bfrbench.errors import UsageError
from bfrbench.specs import Precision

Augmentation: TypeAlias = Literal["none", "ada", "diffaugment"]


class RunConfig(Frozen):
    """The `[run]` table of a recipe."""

    images: pydantic.PositiveInt
    """Length of the training."""
    batch: pydantic.PositiveInt = 16
    """Images per optimiser step, over all processes."""
    micro_batch: pydantic.NonNegativeInt = 0
    """Images per forward pass on one process; 0: batch / processes."""
    seed: pydantic.NonNegativeInt = 0
    precision: Precision = "float32"
    """Of the plain steps; regularisers always run in float32."""
    compile: bool = False
    """torch.compile the networks of the plain steps; regularisers stay eager: no double backward otherwise."""
    ema_half_life: pydantic.PositiveFloat = 10_000
    """Images after which a weight has half its say in the moving average."""
    clip: pydantic.PositiveFloat | None = None
    """Largest gradient norm of an optimiser step; None: any."""
    halve_lr_at: tuple[pydantic.PositiveInt, ...] = ()
    """Images at which every learning rate halves."""
    weights: str | None = None
    """A weights file of this very network to start from, such as the result of another training; no prior is read
    then, and optimisers and clock start anew."""
    bad_steps: pydantic.PositiveInt = 10
    """Consecutive steps with NaN or infinity that end the training."""

    flip: bool = True
    """Mirror half of the images."""
    workers: pydantic.NonNegativeInt = 2
    """Processes that read and degrade images, for each process that trains."""
    cache: Literal["none", "ram", "disk"] = "none"
    """Keep decoded images in memory shared by the workers, or in a file under the run's folder."""
    degrade_on: Literal["workers", "device"] = "workers"
    unreadable: pydantic.NonNegativeInt = 10
    """Unreadable images that are skipped (and named) before the training ends with an error."""

    log_every: pydantic.PositiveInt = 1_000
    checkpoint_every: pydantic.PositiveInt = 20_000
    milestone_every: pydantic.PositiveInt | None = None
    """Checkpoints that are kept for ever."""
    keep_last: pydantic.PositiveInt = 2
    sample_every: pydantic.PositiveInt = 20_000
    samples: pydantic.PositiveInt = 8
    validate_every: pydantic.PositiveInt = 20_000
    validation_images: pydantic.PositiveInt = 64
    best_by: str = "psnr"
    """Metric of the validation protocol by which the best checkpoint is kept."""
    protocol: str = "basic-v1"
    """Protocol of the validation."""


class RecipeFile(Frozen):
    """A training recipe: what it is, how long and how, and the settings of the task that it trains."""

    id: str
    summary: str
    source: str
    """Where its values come from; values that differ, or that no source gives, are marked beside them."""
    degradation: str | None = None
    """The degradation recipe of its pairs, scaled to the size that is trained unless it is named with one
    (`sr-x8@512` is by 8 at every size); None for a prior, which learns from sharp images alone."""
    size: pydantic.PositiveInt
    run: RunConfig
    task: dict[str, Any] = pydantic.Field(default_factory=dict)


def resolve(
    text: str, *, where: str, size: int | None = None, files: Iterable[Path] = (), sets: Iterable[str] = ()
) -> RecipeFile:
    """A recipe's text at another size if one is given, overlaid by files and by `key=value` words, validated whole."""
    try:
        data: dict[str, Any] = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{where} is not TOML ({error})", "mend it at that place") from error
    data = _at_size(data, size)
    for path in files:
        data = _overlaid(data, read_toml(path))
        where = f"{where} with {path}"
    for word in sets:
        data = _overlaid(data, _setting(word))
    return parse(data, RecipeFile, where=where)


def _at_size(data: dict[str, Any], size: int | None) -> dict[str, Any]:
    """`recipe@size` changes the size. The degradation that the recipe names follows it, whatever its own size is,
    unless it is named with one; the degradation that a user names is taken as it is written."""
    size = data.get("size") if size is None else size
    degradation = data.get("degradation")
    if degradation and "@" not in degradation:
        degradation = f"{degradation}@{size}"
    return {**data, "size": size, "degradation": degradation}


def _setting(word: str) -> dict[str, Any]:
    """`run.batch=8` as a nested table; the value is read as TOML, else as a string."""
    key, equals, value = word.partition("=")
    if not equals or not key.strip():
        raise UsageError(f"the setting {word!r} is not written key=value", "write for example run.batch=8")
    try:
        read: Any = tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        read = value
    for part in reversed(key.strip().split(".")):
        read = {part: read}
    table: dict[str, Any] = read
    return table


def _overlaid(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(below)
    for key, value in above.items():
        old = merged.get(key)
        merged[key] = _overlaid(old, value) if isinstance(old, Mapping) and isinstance(value, Mapping) else value
    return merged
