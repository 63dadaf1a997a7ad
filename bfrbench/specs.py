"""Specs: what a plugin says of itself, as frozen data that is read without importing torch.

The object behind a spec is made only when it is used, from its `target`, written `module:Class`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

_ID = re.compile(r"[a-z0-9]+(?:[-.][a-z0-9]+)*")
_TARGET = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")

Precision: TypeAlias = Literal["float32", "bfloat16", "float16"]
Argument: TypeAlias = Literal["none", "optional", "required"]
Need: TypeAlias = Literal["gt", "lq", "draws", "identity", "posterior-mean", "reference"]
"""What a metric must be given besides the restored images."""


@dataclass(frozen=True, kw_only=True)
class Spec:
    """What every plugin object has: an id, where its code is, and a sentence about it."""

    id: str
    target: str
    summary: str

    def __post_init__(self) -> None:
        if not _ID.fullmatch(self.id):
            raise ValueError(f"id {self.id!r} must be lower-case words joined by '-' or '.'")
        if not _TARGET.fullmatch(self.target):
            raise ValueError(f"target {self.target!r} of {self.id!r} must be written 'module:Class'")
        if not self.summary.strip():
            raise ValueError(f"{self.id!r} needs a summary: one sentence for lists")


@dataclass(frozen=True, kw_only=True)
class RestorerSpec(Spec):
    """A restorer. `target` is called with a `RestorerContext` and gives an object with `restore(batch)`."""

    licence: str
    """SPDX name, or a sentence, of the code and of the weights it ships."""
    trained_on: tuple[str, ...]
    """Ids of the data sets that its weights saw; () when nothing was learned."""
    size: int | None = None
    """Side of the square face it works on; None when it takes any size."""
    argument: Argument = "none"
    """Whether a reference to it carries `:argument`."""
    argument_help: str = ""
    options: Mapping[str, str] = field(default_factory=dict)
    """Names of the options it takes, each with a line of help."""
    weights: tuple[str, ...] = ()
    """Names of weight cards that it needs."""
    precisions: tuple[Precision, ...] = ("float32",)
    deterministic: bool = True
    """Same batch and seeds, same output."""
    samples: bool = False
    """Has more than one answer to a batch: by its seeds, which differ from sample to sample, or by `batch.sample`."""
    points: tuple[float, float] | None = None
    """From where to where `batch.point` may ask it to trade distortion for perception; None when it cannot."""
    sees_ground_truth: bool = False
    ranked: bool = True
    isolated: bool = False
    """Runs in a worker process of its own even when no time limit asks for it."""
    loss_networks: tuple[str, ...] = ()
    """Networks used in its training losses: a metric on one of them is flagged on boards."""
    known_failures: Mapping[str, str] = field(default_factory=dict)
    """Conformance checks that are expected to fail, each with the reason."""
    citation: str = ""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.licence.strip():
            raise ValueError(f"restorer {self.id!r} must declare a licence")
        if not _is_tuple(self.trained_on):
            raise ValueError(f"trained_on of {self.id!r} must be a tuple of data set ids, not one string")
        if self.size is not None and self.size < 1:
            raise ValueError(f"size of {self.id!r} must be a positive number of pixels")
        if self.points is not None and not self.points[0] < self.points[1]:
            raise ValueError(f"points of {self.id!r} must be (lowest, highest)")
        if self.argument != "none" and not self.argument_help:
            raise ValueError(f"{self.id!r} takes an argument: say what it is in argument_help")


def _is_tuple(value: object) -> bool:
    """A plugin author writes `("ffhq")` sooner or later, which is no tuple; type checkers are not always there."""
    return isinstance(value, tuple)


@dataclass(frozen=True, kw_only=True)
class DatasetSpec(Spec):
    """A data set. `target` names an object with the interface of `bfrbench.data`; `card` is its TOML."""

    licence: str
    card: str = ""


@dataclass(frozen=True, kw_only=True)
class DegradationSpec(Spec):
    """A degradation recipe. `target` gives an object with `draw` and `apply`; or `recipe` is a TOML file's text."""

    recipe: str = ""


@dataclass(frozen=True, kw_only=True)
class MetricSpec(Spec):
    """A kind of metric, of which protocols fix the choices. `target` names a `bfrbench.metrics.kind.Kind`."""

    higher_is_better: bool
    needs: tuple[Need, ...] = ()
    unit: str = ""
    ideal: float | None = None
    """The value of a perfect restorer, for probes whose sign tells the direction of a fault."""


@dataclass(frozen=True, kw_only=True)
class TrainingRecipeSpec(Spec):
    """A training recipe: `target` builds the networks, losses and steps that the loop runs."""

    config: str = ""
    """The recipe's TOML, every value that differs from its source marked."""
