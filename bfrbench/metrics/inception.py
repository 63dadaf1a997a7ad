"""Inception features of restored images and, where a metric asks for it, of their ground truth.

The network is torch-fidelity's; how an image is brought to 299 pixels and to its range is the protocol's choice.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal, Self

from pydantic import Field, model_validator

from bfrbench.config import Frozen
from bfrbench.contracts import Row, Scored
from bfrbench.metrics.kind import C, Kind, Measure
from bfrbench.metrics.per_image import ground_truth
from bfrbench.specs import Need

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from torch import Tensor

    from bfrbench.weights import WeightStore

CARD = "inception-fid"
SIDE = 299
FEATURE = (-1, 2048)
"""The shape of a row's feature: the restored image's, and its ground truth's where it was taken."""
_LAYERS = (
    *("Conv2d_1a_3x3", "Conv2d_2a_3x3", "Conv2d_2b_3x3", "MaxPool_1", "Conv2d_3b_1x1", "Conv2d_4a_3x3", "MaxPool_2"),
    *("Mixed_5b", "Mixed_5c", "Mixed_5d", "Mixed_6a", "Mixed_6b", "Mixed_6c", "Mixed_6d", "Mixed_6e"),
    *("Mixed_7a", "Mixed_7b", "Mixed_7c", "AvgPool"),
)


class InceptionChoices(Frozen):
    """What has to be chosen before Inception sees an image."""

    resize: Literal["tensorflow-1", "torch"] = Field(
        description="bilinear to 299 pixels on TensorFlow 1's grid (torch-fidelity), or on torch's without "
        "antialiasing (pytorch-fid, BasicSR)"
    )
    scale: Literal["128", "127.5"] = Field(
        description="levels become (x - 128) / 128 (torch-fidelity), or (x - 127.5) / 127.5 (pytorch-fid, BasicSR)"
    )
    precision: Literal["float32", "float64"] = Field(description="the type the network computes in")


class ReferenceChoices(InceptionChoices):
    """What has to be chosen besides by whatever compares two sets of features."""

    reference: str = Field(description="gt for the ground truth of the same images, else the name of statistics")
    leave_out: Literal["nothing", "tested"] = Field(
        description="nothing: all images of the statistics count; tested: those under test do not, which are known "
        "by their ids (file names without suffix)"
    )

    @model_validator(mode="after")
    def _something_is_left(self) -> Self:
        if self.reference == "gt" and self.leave_out == "tested":
            raise ValueError("leave_out = 'tested' leaves nothing of gt: name statistics, or write 'nothing'")
        return self


ROW_CHOICES = tuple(InceptionChoices.model_fields)


class InceptionKind(Kind[C]):
    """What the metrics on Inception features have in common: their rows."""

    rows_family = "inception"
    row_choices = ROW_CHOICES

    @property
    def weights(self) -> tuple[str, ...]:
        return (CARD,)

    @property
    def reference(self) -> str | None:
        name: str = self.choices.reference  # type: ignore[attr-defined]
        return None if name == "gt" else name

    @property
    def leaves_out_tested(self) -> bool:
        chosen: str = self.choices.leave_out  # type: ignore[attr-defined]
        return self.reference is not None and chosen == "tested"

    @property
    def reference_features(self) -> bool:
        return self.leaves_out_tested

    @property
    def needs(self) -> tuple[Need, ...]:
        return ("gt",) if self.reference is None else ("reference",)

    def open(self, store: WeightStore | None, device: str) -> Measure:
        chosen = InceptionChoices.model_validate({name: getattr(self.choices, name) for name in ROW_CHOICES})
        return InceptionFeatures(InceptionNetwork(chosen, store, device), both="gt" in self.needs)


class InceptionNetwork:
    """Images to 2048 features each."""

    def __init__(self, choices: InceptionChoices, store: WeightStore | None, device: str) -> None:
        import torch

        from bfrbench.weights.handing import inception_network

        self._choices, self._type = choices, getattr(torch, choices.precision)
        self._network: Any = inception_network(store, dtype=choices.precision).to(device, self._type)

    def __call__(self, images: Tensor) -> npt.NDArray[np.float32]:
        x = self._prepared(images.to(self._type).mul(255))
        for layer in _LAYERS:
            x = getattr(self._network, layer)(x)
        features: npt.NDArray[np.float32] = x.flatten(1).float().cpu().numpy()
        return features

    def _prepared(self, levels: Tensor) -> Tensor:
        from torch.nn.functional import interpolate
        from torch_fidelity.interpolate_compat_tensorflow import interpolate_bilinear_2d_like_tensorflow1x

        size = (SIDE, SIDE)
        if self._choices.resize == "torch":
            small = interpolate(levels, size=size, mode="bilinear", align_corners=False)
        else:
            small = interpolate_bilinear_2d_like_tensorflow1x(levels, size=size, align_corners=False)
        middle = float(self._choices.scale)
        prepared: Tensor = (small - middle) / middle
        return prepared


class InceptionFeatures:
    """One row per image: features of the restored image, and of its ground truth when `both`."""

    def __init__(self, network: InceptionNetwork, *, both: bool) -> None:
        self._network, self._both = network, both

    def rows(self, batch: Scored) -> Sequence[Row]:
        sides = [self._network(batch.restored)]
        if self._both:
            sides.append(self._network(ground_truth(batch)))
        import numpy as np

        return [Row(name, feature=feature) for name, feature in zip(batch.ids, np.stack(sides, 1), strict=True)]
