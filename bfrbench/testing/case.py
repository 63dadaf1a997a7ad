"""One restorer under test: how to make it anew, and batches of images that look like faces to nobody."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from bfrbench.contracts import Batch
from bfrbench.plugins import PluginHost
from bfrbench.restorers.loading import LoadedRestorer, load_restorer, split_ref
from bfrbench.specs import Precision, RestorerSpec

if TYPE_CHECKING:
    from torch import Tensor

DEFAULT_SIZE = 64


@dataclass
class Case:
    """What a check works on."""

    ref: str
    host: PluginHost = field(default_factory=PluginHost)
    device: str = "cpu"
    precision: Precision = "float32"
    ids: tuple[str, ...] = ("first", "second", "third")
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def spec(self) -> RestorerSpec:
        return self.host.restorer(split_ref(self.ref)[0]).spec

    @property
    def plugin(self) -> str:
        return self.host.restorer(split_ref(self.ref)[0]).plugin

    @cached_property
    def restorer(self) -> LoadedRestorer:
        return self.make()

    def make(self) -> LoadedRestorer:
        """A fresh object, as a new process would make it."""
        return load_restorer(
            self.ref, device=self.device, precision=self.precision, host=self.host, **dict(self.options)
        )

    def batch(self, size: int | None = None, ids: tuple[str, ...] | None = None) -> Batch:
        """Images that depend on their id alone: smooth colour fields with noise, in [0, 1]."""
        import torch

        ids = ids or self.ids
        side = size or self.spec.size or DEFAULT_SIZE
        lq = torch.stack([_picture(image_id, side) for image_id in ids]).to(self.device)
        seeds = tuple(_seed(image_id) for image_id in ids)
        return Batch(ids, lq, seeds, gt=lq.flip(-1).clone() if self.spec.sees_ground_truth else None)


def _seed(image_id: str) -> int:
    import zlib

    return zlib.crc32(image_id.encode())


def _picture(image_id: str, side: int) -> Tensor:
    import torch

    generator = torch.Generator().manual_seed(_seed(image_id))
    coarse = torch.rand((1, 3, 4, 4), generator=generator)
    smooth = torch.nn.functional.interpolate(coarse, size=(side, side), mode="bilinear", align_corners=False)[0]
    return (smooth + 0.05 * torch.randn((3, side, side), generator=generator)).clamp(0, 1)
