"""ids-lite: the cosine of the lite network's embeddings of the restored face and the true one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bfrbench.metrics.lite import LiteKind

if TYPE_CHECKING:
    from bfrbench.embedded.network import LiteNetwork
    from bfrbench.metrics.lite import Compared, Layers


class IdsLite(LiteKind):
    """Mean cosine over images; a row's feature is both embeddings."""

    @staticmethod
    def compare(network: LiteNetwork, ours: Layers, theirs: Layers) -> Compared:
        import torch

        pairs = torch.stack([network.embed(ours), network.embed(theirs)], 1)
        unit = torch.nn.functional.normalize(pairs.double(), dim=2)
        return zip((unit[:, 0] * unit[:, 1]).sum(1).tolist(), pairs.cpu().numpy(), strict=True)
