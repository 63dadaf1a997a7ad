"""Any of pyiqa's metrics by name, with its weights from our store."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from bfrbench.config import Frozen
from bfrbench.contracts import Row, Scored
from bfrbench.errors import ConfigError, UnknownName
from bfrbench.metrics.kind import Kind, Measure
from bfrbench.metrics.per_image import as_rows, ground_truth
from bfrbench.specs import Need

if TYPE_CHECKING:
    from torch import Tensor

    from bfrbench.weights import WeightStore


class PyiqaChoices(Frozen):
    """What is needed to name one of pyiqa's metrics."""

    model: str = Field(description="its name in pyiqa.list_models()")
    against: Literal["gt", "nothing"] = Field(description="whether it compares with the ground truth")
    better: Literal["higher", "lower"] = Field(description="its direction")


class PyiqaModel:
    """One row per image. Images go in one at a time: several of pyiqa's networks cannot take a batch, or treat
    its images together."""

    def __init__(self, network: Any, against: Literal["gt", "nothing"]) -> None:
        self._network, self._against = network, against

    def rows(self, batch: Scored) -> Sequence[Row]:
        import torch

        restored = batch.restored.clamp(0, 1)
        sides = (restored,) if self._against == "nothing" else (restored, ground_truth(batch))
        values = [self._one([side[index : index + 1] for side in sides]) for index in range(len(batch.ids))]
        return as_rows(batch, torch.stack(values))

    def _one(self, sides: Sequence[Tensor]) -> Tensor:
        # Not through pyiqa's own door, which turns TF32 on and looks at the range of every image.
        value: Tensor = self._network.net(*sides)
        return value.flatten()[0].double()


class Pyiqa(Kind[PyiqaChoices]):
    """Mean over images of what pyiqa says, with its own defaults."""

    Choices = PyiqaChoices

    @property
    def higher_is_better(self) -> bool:
        return self.choices.better == "higher"

    @property
    def needs(self) -> tuple[Need, ...]:
        return ("gt",) if self.choices.against == "gt" else ()

    @property
    def weights(self) -> tuple[str, ...]:
        card = _CARDS.get(self.choices.model)
        return (card,) if card else ()

    def open(self, store: WeightStore | None, device: str) -> Measure:
        from bfrbench.weights.handing import pyiqa_network

        against, better = pyiqa_facts(self.choices.model)
        if (self.choices.against, self.choices.better) != (against, better):
            problem = f"pyiqa's {self.choices.model} is not what the protocol says"
            raise ConfigError(problem, f"write against = {against!r} and better = {better!r}")
        return PyiqaModel(pyiqa_network(self.choices.model, store, device), against)


_CARDS = {
    "niqe": "niqe-mat",
    "musiq": "musiq-koniq",
    "maniqa": "maniqa-koniq",
    "clipiqa": "clipiqa-rn50",
    "topiq_nr-face": "topiq-nr-face",
}


def pyiqa_facts(name: str) -> tuple[Literal["gt", "nothing"], Literal["higher", "lower"]]:
    """What one of pyiqa's metrics compares with, and its direction, as the library says."""
    from pyiqa.default_model_configs import DEFAULT_CONFIGS

    if name not in DEFAULT_CONFIGS:
        raise UnknownName("metric of pyiqa", name, DEFAULT_CONFIGS)
    facts = DEFAULT_CONFIGS[name]
    return ("gt" if facts["metric_mode"] == "FR" else "nothing"), ("lower" if facts.get("lower_better") else "higher")
