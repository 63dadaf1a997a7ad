"""pd-lite: how differently the layers of the lite network see the restored face and the true one.

As in LPIPS the channels of each place are brought to length one and squared differences are averaged over places;
unlike LPIPS no channel is weighed by human answers, and the layers count alike.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bfrbench.metrics.lite import LiteKind

if TYPE_CHECKING:
    from torch import Tensor

    from bfrbench.embedded.network import LiteNetwork
    from bfrbench.metrics.lite import Compared, Layers


class PdLite(LiteKind):
    """Mean distance over images: 0 for the same image, at most 4."""

    @staticmethod
    def compare(network: LiteNetwork, ours: Layers, theirs: Layers) -> Compared:
        return ((value, None) for value in layer_distance(ours, theirs).tolist())


def layer_distance(ours: Layers, theirs: Layers) -> Tensor:
    """N numbers: the mean over layers of the mean over places of the squared difference of unit vectors."""
    import torch
    from torch.nn.functional import normalize

    apart = [
        (normalize(one, dim=1) - normalize(other, dim=1)).square().sum(1).mean((1, 2))
        for one, other in zip(ours, theirs, strict=True)
    ]
    return torch.stack(apart).mean(0)
