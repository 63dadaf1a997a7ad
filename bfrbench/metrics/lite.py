"""What the three lite metrics share: the network that ships with the package, and pairs of faces as it sees them.

It notices change and never ranks methods: docs/metrics.md says what its numbers were found to be worth.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, TypeAlias

from bfrbench.config import Frozen
from bfrbench.contracts import Row, Scored
from bfrbench.metrics.kind import Kind, Measure
from bfrbench.metrics.per_image import ground_truth

if TYPE_CHECKING:
    from torch import Tensor

    from bfrbench.contracts import Feature
    from bfrbench.embedded.network import LiteNetwork
    from bfrbench.weights import WeightStore

    Layers: TypeAlias = list[Tensor]
    Compared: TypeAlias = Iterable[tuple[float | None, Feature | None]]
    """The value and the feature of each row."""

CARD = "lite-metrics"


class LiteChoices(Frozen):
    """Nothing is left to choose."""


class LiteKind(Kind[LiteChoices]):
    """A metric on the lite network. Whole crops are compared as they are: no face is found or aligned anew."""

    Choices = LiteChoices

    @property
    def weights(self) -> tuple[str, ...]:
        return (CARD,)

    @staticmethod
    @abstractmethod
    def compare(network: LiteNetwork, ours: Layers, theirs: Layers) -> Compared:
        """What the layers of restored and of true faces say of each pair."""

    def open(self, store: WeightStore | None, device: str) -> Measure:
        return LitePairs(store, device, self.compare)


class LitePairs:
    """One row per image, from what the network says of the restored face and of the true one."""

    def __init__(
        self, store: WeightStore | None, device: str, compare: Callable[[LiteNetwork, Layers, Layers], Compared]
    ) -> None:
        from bfrbench.embedded.network import load
        from bfrbench.weights import WeightStore

        self._network = load((store or WeightStore()).path(CARD), device)
        self._compare = compare

    def rows(self, batch: Scored) -> Sequence[Row]:
        from bfrbench.embedded.network import seen

        ours, theirs = (self._network.layers(seen(side)) for side in (batch.restored, ground_truth(batch)))
        compared = self._compare(self._network, ours, theirs)
        return [Row(name, value=value, feature=own) for name, (value, own) in zip(batch.ids, compared, strict=True)]
