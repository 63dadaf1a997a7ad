"""GPEN with a block behind every level of its encoder: the claim of plug and play, as a network."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from bfrbench_gpen.network import Gpen, GpenShape
from torch import nn

from bfrbench_mmrb.block import PATHS, BlockName, PathName, make_block
from bfrbench_mmrb.insertion import Followed, insert_after


@dataclass(frozen=True)
class GpenMmrbShape:
    """Everything that decides the shapes of such a network's tensors."""

    gpen: GpenShape
    block: BlockName = "mmrb"
    paths: tuple[PathName, ...] = PATHS
    mix: bool = True
    gate: bool = True
    width: float = 1.0
    """Of rivals' blocks, for rivals of equal parameters or operations."""


class GpenMmrb(Gpen):
    """To the bit the GPEN that the same seed makes, until its blocks learn."""

    def __init__(self, shape: GpenMmrbShape) -> None:
        super().__init__(shape.gpen)
        self.blocks_shape = shape

        def make(channels: int) -> nn.Module:
            switches = {"paths": shape.paths, "mix": shape.mix, "gate": shape.gate, "width": shape.width}
            return make_block(shape.block, channels, **switches)  # type: ignore[arg-type]

        side = shape.gpen.entry
        insert_after(nn.Sequential(*self.encoder), r"\d+\.0", make, torch.zeros(1, 3, side, side))

    def block_parameters(self) -> list[nn.Parameter]:
        """Those of the blocks alone, which are plain convolutions and want a rate of their own."""
        followed = [module for module in self.modules() if isinstance(module, Followed)]
        return [parameter for module in followed for parameter in module.block.parameters()]
