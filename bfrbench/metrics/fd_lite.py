"""fd-lite: the Fréchet distance between the lite network's pooled features of restored and of true faces."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bfrbench.metrics.fid import Clouds, FrechetDistance
from bfrbench.metrics.finaliser import Finaliser
from bfrbench.metrics.lite import LiteKind

if TYPE_CHECKING:
    from bfrbench.embedded.network import LiteNetwork
    from bfrbench.metrics.lite import Compared, Layers

PAIR = (2, -1)
"""The shape of a row's feature: the restored face's pooled features, and the true one's."""


class FdLite(LiteKind):
    """The distance; N is always shown with it, because its bias depends on N."""

    @staticmethod
    def compare(network: LiteNetwork, ours: Layers, theirs: Layers) -> Compared:
        import torch

        pairs = torch.stack([network.pooled(ours), network.pooled(theirs)], 1).cpu().numpy()
        return ((None, pair) for pair in pairs)

    @property
    def finaliser(self) -> Finaliser[Clouds]:
        return FrechetDistance(None, self.spec.id, PAIR)
