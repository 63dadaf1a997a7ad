"""Held-out faces with frozen draws: scored by the bench's own metrics, and shown as a grid. Where none are held out,
some faces of the training are shown, and nothing is scored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from bfrbench.contracts import Row, Scored
from bfrbench.errors import BfrbenchError, InputError
from bfrbench.training.feeding import Faceset, fitted, signed
from bfrbench.training.sampler import Place
from bfrbench.training.task import Faces, Labeller, Task

if TYPE_CHECKING:
    from bfrbench.contracts import U8Image
    from bfrbench.data import Samples
    from bfrbench.degradations import Recipe

DRAW_SEED = 1_000_003
"""Another seed than any training's, so that no validation pair is ever trained on."""
_BATCH = 16


@dataclass(frozen=True)
class Held:
    """The faces that are looked at, as they are and degraded."""

    ids: tuple[str, ...]
    gt: Tensor
    lq: Tensor | None
    labels: Mapping[str, Tensor] = field(default_factory=dict)


class Validation:
    """Scores and shows an averaged network, always on the same faces."""

    def __init__(
        self,
        samples: Samples,
        recipe: Recipe | None,
        *,
        size: int,
        count: int,
        shown: int,
        protocol: str | None,
        device: torch.device,
        labeller: Labeller | None = None,
    ) -> None:
        from bfrbench.metrics import Scorer, load_protocol

        self.device, self.shown = device, shown
        self.held = _held(samples, recipe, size, count, strict=protocol is not None)
        if labeller is not None:
            self.held = replace(self.held, labels=_labels(samples, self.held.ids, size, labeller))
        self.scorer = None
        if protocol is not None and recipe is not None:
            self.scorer = Scorer(load_protocol(protocol), str(device))

    def score(self, task: Task, network: nn.Module) -> dict[str, float | None]:
        """Each metric's value over the held-out faces."""
        from bfrbench.metrics import finalise

        assert self.scorer is not None and self.held.lq is not None
        rows: dict[str, list[Row]] = {}
        for first in range(0, len(self.held.ids), _BATCH):
            part = slice(first, first + _BATCH)
            restored = quantised(self._shown(task, network, part))
            gt, lq = quantised(signed(self.held.gt[part])), quantised(signed(self.held.lq[part]))
            batch = Scored(self.held.ids[part], lq.to(self.device), restored.to(self.device), gt=gt.to(self.device))
            for name, found in self.scorer.rows(batch).items():
                rows.setdefault(name, []).extend(found)
        return {metric.name: finalise(metric, rows[metric.rows]).value for metric in self.scorer.metrics}

    def higher_is_better(self, metric: str) -> bool:
        assert self.scorer is not None
        return bool(self.scorer.protocol.metric(metric).higher_is_better)

    def grid(self, task: Task, network: nn.Module, path: Path) -> None:
        """One row of inputs, one of results, one of truths."""
        from bfrbench.imaging.write import write_image

        part = slice(0, self.shown)
        rows = [quantised(self._shown(task, network, part)), quantised(signed(self.held.gt[part]))]
        if self.held.lq is not None:
            rows.insert(0, quantised(signed(self.held.lq[part])))
        sheet = torch.cat([torch.cat(list(row), dim=2) for row in rows], dim=1)
        image: U8Image = sheet.mul(255).round().to(torch.uint8).permute(1, 2, 0).contiguous().cpu().numpy()
        path.parent.mkdir(parents=True, exist_ok=True)
        write_image(path, image)

    def _shown(self, task: Task, network: nn.Module, part: slice) -> Tensor:
        gt = signed(self.held.gt[part].to(self.device))
        lq = None if self.held.lq is None else signed(self.held.lq[part].to(self.device))
        with torch.inference_mode():
            labels = {name: values[part] for name, values in self.held.labels.items()}
            out = task.show(network, Faces(gt, lq, labels=labels), _seeds(self.held.ids[part]))
        return out.float()


def quantised(images: Tensor) -> Tensor:
    """[-1, 1] to the levels of an 8-bit file, in [0, 1]."""
    from bfrbench.imaging.convert import quantise

    return quantise((images + 1) / 2).float().div(255).cpu()


def _held(samples: Samples, recipe: Recipe | None, size: int, count: int, *, strict: bool) -> Held:
    """Spread evenly over the set, so that neighbours of one person do not crowd a small choice. A score is of all of
    them; for a look, those do that can be read."""
    found: dict[str, U8Image] = {}
    problem: BfrbenchError = InputError("a data set to look at is empty", "check it with bfrbench datasets show")
    for place in np.unique(np.linspace(0, len(samples) - 1, min(count, len(samples))).round().astype(int)):
        name = samples.ids[int(place)]
        try:
            found[name] = fitted(samples[int(place)].image, size, repr(name))
        except BfrbenchError as error:
            if strict:
                raise
            problem = error
    if not found:
        raise problem
    ids, gts = tuple(found), list(found.values())
    if recipe is None:
        return Held(ids, _stacked(gts), None)
    pairs = [recipe.apply(gt, recipe.draw(DRAW_SEED, name)) for gt, name in zip(gts, ids, strict=True)]
    return Held(ids, _stacked([pair.gt for pair in pairs]), _stacked([pair.lq for pair in pairs]))


def _labels(samples: Samples, ids: Sequence[str], size: int, labeller: Labeller) -> dict[str, Tensor]:
    """What the task's labeller says of the held faces, none of them mirrored."""
    faces = Faceset([samples], [1.0], size=size, seed=0, flip=False, names=["validation"])
    numbers = {name: number for number, name in enumerate(samples.ids)}
    places = [Place(0, numbers[name], 0) for name in ids]
    found = [labeller(faces.read(place), place, mirrored=False) for place in places]
    return {name: torch.from_numpy(np.stack([one[name] for one in found])) for name in found[0]}


def _stacked(images: Sequence[U8Image]) -> Tensor:
    return torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2)


def _seeds(ids: Sequence[str]) -> list[int]:
    import zlib

    return [zlib.crc32(name.encode()) for name in ids]
