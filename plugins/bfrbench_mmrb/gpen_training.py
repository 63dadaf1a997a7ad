"""Training of GPEN with blocks in its encoder: GPEN's own, with a rate of their own for the blocks."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, ClassVar, cast

import pydantic
from bfrbench_gpen.network import Gpen, GpenShape
from bfrbench_gpen.training import GpenSettings, GpenTraining
from torch import nn

from bfrbench_mmrb.block import PATHS, BlockName, PathName
from bfrbench_mmrb.gpen import GpenMmrb, GpenMmrbShape


class GpenMmrbSettings(GpenSettings):
    """The `[task]` table: GPEN's, and the blocks'."""

    block: BlockName = "mmrb"
    paths: tuple[PathName, ...] = PATHS
    mix: bool = True
    gate: bool = True
    width: pydantic.PositiveFloat = 1.0
    lr_blocks: pydantic.PositiveFloat = 1e-4


class GpenMmrbTraining(GpenTraining):
    """Starts where GPEN's training starts, to the bit."""

    Settings: ClassVar[type[GpenSettings]] = GpenMmrbSettings

    def _network(self, shape: GpenShape) -> Gpen:
        s = cast(GpenMmrbSettings, self.settings)
        return GpenMmrb(GpenMmrbShape(shape, s.block, s.paths, s.mix, s.gate, s.width))

    def _groups(self) -> list[tuple[list[nn.Parameter], float]]:
        blocks = cast(GpenMmrb, self.gpen).block_parameters()
        inside = {id(parameter) for parameter in blocks}
        gpens = [([p for p in group if id(p) not in inside], rate) for group, rate in super()._groups()]
        return [*gpens, (blocks, cast(GpenMmrbSettings, self.settings).lr_blocks)]

    def describe(self) -> dict[str, Any]:
        return asdict(cast(GpenMmrb, self.gpen).blocks_shape)
