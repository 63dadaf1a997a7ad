"""What crosses a door between rooms: images, samples, draws, batches, faces, rows, and the protocols that handle them.

Images on a CPU are `U8Image`: uint8, RGB, H×W×3. Images on a device are float32 RGB in [0, 1], N×3×H×W.
Nothing here imports torch: the names of tensors are for the type checker and the reader.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias, runtime_checkable

from bfrbench.digests import Digest

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from torch import Tensor

    U8Image: TypeAlias = npt.NDArray[np.uint8]
    """H×W×3, RGB."""
    Points: TypeAlias = npt.NDArray[np.float32]
    """K×2 (x, y) in pixels; five points are the left-of-image eye, the right-of-image eye, nose, mouth corners."""
    Feature: TypeAlias = npt.NDArray[np.float32]

Ref: TypeAlias = str
"""A reference to a restorer: `id[:argument]`, for example `gpen-512:weights.safetensors` or `folder:results/`."""


@dataclass(frozen=True, slots=True)
class Pose:
    """Degrees. Yaw is positive when the face turns to the right of the image, pitch when it looks up, roll
    when the head tilts clockwise in the image."""

    yaw: float
    pitch: float
    roll: float


@dataclass(frozen=True, slots=True)
class Sample:
    """One image of a data set, with whatever labels it has."""

    id: str
    image: U8Image
    gt: U8Image | None = None
    identity: str | None = None
    pose: Pose | None = None
    points: Points | None = None


@dataclass(frozen=True, slots=True)
class Op:
    """One degradation step with the numbers drawn for it."""

    name: str
    args: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Draw:
    """What a recipe drew for one image: plain numbers, the same on every machine."""

    recipe: Digest
    image_id: str
    view: int
    noise_key: int
    ops: tuple[Op, ...]


@dataclass(frozen=True, slots=True)
class Pair:
    """A low-quality image and its target; a recipe may touch the target too (GPEN's code greys both)."""

    lq: U8Image
    gt: U8Image


@dataclass(frozen=True, slots=True)
class Batch:
    """What a restorer sees. `gt` is there only for restorers whose spec says `sees_ground_truth`."""

    ids: tuple[str, ...]
    lq: Tensor
    seeds: tuple[int, ...]
    sample: int = 0
    """Which of K samples to give, for restorers that have more than one answer; `seeds` differ with it."""
    point: float | None = None
    """Where on its perception-distortion curve to work, for restorers that have one."""
    gt: Tensor | None = None


@dataclass(frozen=True, slots=True)
class Box:
    """Pixels, x to the right and y down; `right` and `bottom` lie just outside."""

    left: float
    top: float
    right: float
    bottom: float


@dataclass(frozen=True, slots=True)
class Face:
    """A detected face."""

    box: Box
    points: Points
    score: float


Status: TypeAlias = Literal["ok", "no_face", "nan", "bad_shape", "timeout", "error"]


@dataclass(frozen=True, slots=True)
class Row:
    """What one metric says of one image: a number, or a feature that its finaliser will use. A row that is not `ok` may
    have the feature of its ground truth alone."""

    id: str
    status: Status = "ok"
    value: float | None = None
    feature: Feature | None = None


@dataclass(frozen=True, slots=True)
class Scored:
    """What metrics see: one decoding of each image, whatever the number of metrics."""

    ids: tuple[str, ...]
    lq: Tensor | None
    restored: Tensor
    gt: Tensor | None = None
    draws: tuple[Draw, ...] | None = None
    points: tuple[Points | None, ...] | None = None
    """Five points of each ground truth (of each restored face where there is none), if they were found."""
    posterior_mean: Tensor | None = None
    """What an estimator of least squared error makes of the same input, where somebody has one."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A confidence interval."""

    low: float
    high: float
    level: float = 0.95


@runtime_checkable
class Restorer(Protocol):
    """The one method that a plugin's restorer must have: restored images of the same batch, same size and device."""

    def restore(self, batch: Batch) -> Tensor: ...
