"""The ground truth against itself: one random half against the other, by a metric's own distance.

No restorer can be asked for less than what two halves of the truth are apart at that number of images.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from bfrbench.contracts import Row
from bfrbench.metrics.finaliser import Context, Finaliser, Value
from bfrbench.metrics.mean import Mean
from bfrbench.metrics.protocol import ProtocolMetric

if TYPE_CHECKING:
    import numpy.typing as npt

    Truth = npt.NDArray[np.float32]
    """n × d features of ground truths."""

_SEED = 0


def truth_of(rows: Sequence[Row], *, restored_is_truth: bool = False) -> Truth | None:
    """The ground truths' features where the rows hold them: their second side, or the oracle's only one."""
    found = [row.feature for row in rows if row.status == "ok" and row.feature is not None]
    if len(found) < 4 or found[0].ndim != 2:
        return None
    sides = len(found[0])
    if sides != 2 and not (sides == 1 and restored_is_truth):
        return None
    return np.stack([feature[sides - 1] for feature in found])


def truth_split(metric: ProtocolMetric, truth: Truth) -> Value | None:
    """The metric between two random halves of the ground truth; None for one that compares no distributions."""
    finaliser = _to_truth(metric)
    if finaliser is None:
        return None
    order = np.random.default_rng(_SEED).permutation(len(truth))
    half = len(truth) // 2
    pairs = np.stack([truth[order[:half]], truth[order[half : 2 * half]]], axis=1)
    return finaliser.value(finaliser.fold([Row(str(at), feature=pair) for at, pair in enumerate(pairs)]), Context())


def _to_truth(metric: ProtocolMetric) -> Finaliser[Any] | None:
    """The metric's finaliser with the ground truth as its reference."""
    kind = metric.kind
    if isinstance(kind.finaliser, Mean) or "identity" in kind.needs:
        return None
    if kind.reference is None:
        return kind.finaliser
    choices = kind.choices.model_copy(update={"reference": "gt"})
    return type(kind)(kind.spec, choices, kind.failure).finaliser
