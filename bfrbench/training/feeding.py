"""From data sets and a recipe to micro-batches of pairs, in worker processes, in an order that nothing disturbs."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from bfrbench.contracts import Pose, Sample
from bfrbench.errors import BfrbenchError, InputError
from bfrbench.training.cache import Cache, clear
from bfrbench.training.config import RunConfig
from bfrbench.training.foresight import micro_batch
from bfrbench.training.ranks import Ranks
from bfrbench.training.sampler import Place, Sampler
from bfrbench.training.task import Faces, Labeller

if TYPE_CHECKING:
    import numpy.typing as npt

    from bfrbench.contracts import Draw, U8Image
    from bfrbench.data import Samples
    from bfrbench.degradations import Recipe

_NEAR = 8
"""Places after an unreadable image that are tried in its stead."""


@dataclass(frozen=True)
class Item:
    """One image as a worker hands it over."""

    gt: U8Image
    views: tuple[U8Image, ...]
    draws: tuple[Draw, ...]
    unreadable: tuple[str, ...]
    labels: Mapping[str, npt.NDArray[np.generic]]


class Faceset:
    """The images to train on: one or more data sets, read at the model's size, in a fixed order."""

    def __init__(
        self,
        sets: Sequence[Samples],
        shares: Sequence[float],
        *,
        size: int,
        seed: int,
        flip: bool,
        names: Sequence[str],
    ) -> None:
        self.sets, self.names, self.size, self.seed, self.flip = list(sets), list(names), size, seed, flip
        self.sampler = Sampler([len(samples) for samples in sets], shares, seed)
        self.caches: list[Cache] = []

    def read(self, place: Place) -> Sample:
        """The sample of a place at the model's size, never mirrored; from the cache if there is one."""
        if self.caches:
            return self.caches[place.source].read(place.position)
        return self._fitted(place.source, place.position)

    def _fitted(self, source: int, position: int) -> Sample:
        return sample_at(self.sets[source][position], self.size, self.names[source])

    def id_of(self, place: Place) -> str:
        return str(self.sets[place.source].ids[place.position])

    def mirrored(self, n: int) -> bool:
        word = hashlib.blake2b(f"{self.seed}/{n}/flip".encode(), digest_size=1).digest()[0]
        return self.flip and bool(word & 1)

    def keep(self, where: Path | None, me: Ranks) -> None:
        """Decode everything once, into memory that workers share or, with the other processes, into this folder."""
        self.caches = []
        if where is not None and me.first:
            clear(where, me.world)
        for source, (samples, name) in enumerate(zip(self.sets, self.names, strict=True)):
            base = where / f"set-{source}" if where else None
            self.caches.append(Cache(partial(self._fitted, source), len(samples), self.size, name, base, me))


def fitted(image: U8Image, size: int, name: str) -> U8Image:
    """The image at the model's size: shrunk by area where it is larger, refused where it is smaller."""
    import cv2

    height, width = image.shape[:2]
    if height != width:
        raise InputError(f"image {name} is {width}×{height} px", "train on square, aligned faces")
    if height < size:
        raise InputError(f"image {name} is {height} px and the model {size} px", "train a smaller model on it")
    if height == size:
        return image
    shrunk: U8Image = cv2.resize(image, (size, size), interpolation=cv2.INTER_AREA)  # type: ignore[assignment]
    return shrunk


def sample_at(sample: Sample, size: int, source: str) -> Sample:
    """The sample at the model's size, with its points; `source` names its set in errors."""
    image = fitted(sample.image, size, f"{sample.id!r} of {source}")
    ratio = np.float32(size / len(sample.image))
    points = None if sample.points is None else (sample.points + np.float32(0.5)) * ratio - np.float32(0.5)
    return replace(sample, image=image, points=points, gt=None)


def mirrored(sample: Sample) -> Sample:
    """The sample left for right: its image, its five points under each other's names, its pose."""
    width, points, pose = sample.image.shape[1], sample.points, sample.pose
    if points is not None:
        points = points[[1, 0, 2, 4, 3]]
        points[:, 0] = width - 1 - points[:, 0]
    if pose is not None:
        pose = Pose(-pose.yaw, pose.pitch, -pose.roll)
    return replace(sample, image=np.ascontiguousarray(sample.image[:, ::-1]), points=points, pose=pose)


class Pairs(Dataset[Item]):
    """The n-th item of training: a face, its degradations and its labels, the same whoever asks."""

    def __init__(
        self, faces: Faceset, recipe: Recipe | None, views: int, *, apply: bool, labeller: Labeller | None = None
    ) -> None:
        self.faces, self.recipe, self.views, self.apply, self.labeller = faces, recipe, views, apply, labeller

    def __getitem__(self, n: int) -> Item:
        place, sample, unreadable = self._readable(n)
        flipped = self.faces.mirrored(n)
        if flipped:
            sample = mirrored(sample)
        gt, labels = sample.image, self.labeller(sample, place, mirrored=flipped) if self.labeller else {}
        if self.recipe is None:
            return Item(gt, (), (), unreadable, labels)
        name = self.faces.id_of(place)
        looks = range(place.epoch * self.views, (place.epoch + 1) * self.views)
        draws = tuple(self.recipe.draw(self.faces.seed, name, view=view) for view in looks)
        if not self.apply:
            return Item(gt, (), draws, unreadable, labels)
        pairs = [self.recipe.apply(gt, draw) for draw in draws]
        return Item(pairs[0].gt, tuple(pair.lq for pair in pairs), (), unreadable, labels)

    def __getitems__(self, numbers: Sequence[int]) -> list[Item] | BfrbenchError:
        """What a loader asks for. An error comes as data, because torch rebuilds what a worker raises by calling its
        class with one word, and ours take two."""
        try:
            return [self[n] for n in numbers]
        except BfrbenchError as error:
            return error

    def _readable(self, n: int) -> tuple[Place, Sample, tuple[str, ...]]:
        """The n-th sample, or the next after it that can be read, and the names of those that could not."""
        bad: list[str] = []
        for near in range(_NEAR):
            place = self.faces.sampler[n + near * 7919]
            try:
                return place, self.faces.read(place), tuple(bad)
            except BfrbenchError as error:
                bad.append(f"{self.faces.id_of(place)}: {error}")
        raise InputError(f"{_NEAR} images in a row cannot be read, the last {bad[-1]}", "verify the data set")


@dataclass(frozen=True)
class Micro:
    """Items of one micro-batch, as tensors of bytes."""

    gt: Tensor
    views: tuple[Tensor, ...]
    draws: tuple[tuple[Draw, ...], ...]
    unreadable: tuple[str, ...]
    labels: Mapping[str, Tensor]

    def pin_memory(self) -> Micro:
        """Called by the loader, which does not look into classes that it does not know."""
        views = tuple(view.pin_memory() for view in self.views)
        labels = {name: values.pin_memory() for name, values in self.labels.items()}
        return replace(self, gt=self.gt.pin_memory(), views=views, labels=labels)


def _collate(items: list[Item] | BfrbenchError) -> Micro | BfrbenchError:
    if isinstance(items, BfrbenchError):
        return items

    def stack(images: Sequence[U8Image]) -> Tensor:
        return torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2)

    views = tuple(stack([item.views[v] for item in items]) for v in range(len(items[0].views)))
    draws = tuple(tuple(item.draws[v] for item in items) for v in range(len(items[0].draws)))
    unreadable = tuple(dict.fromkeys(name for item in items for name in item.unreadable))
    labels = {name: torch.from_numpy(np.stack([item.labels[name] for item in items])) for name in items[0].labels}
    return Micro(stack([item.gt for item in items]), views, draws, unreadable, labels)


Step = list[tuple[int, Faces, tuple[str, ...]]]
"""Of each micro-batch of one process: its number in the step, its faces, the names of bad files."""


class Feed:
    """Micro-batches of this process, step after step, from any image on."""

    def __init__(self, pairs: Pairs, run: RunConfig, ranks: Ranks, device: torch.device) -> None:
        self.pairs, self.run, self.ranks, self.device = pairs, run, ranks, device
        self.micro = micro_batch(run, ranks.world)
        self.accumulate = run.batch // (self.micro * ranks.world)

    def __call__(self, images: int) -> Iterator[Step]:
        """Step after step from `images` on."""
        loader = DataLoader(
            self.pairs,
            batch_sampler=_Numbers(images, self.run.batch, self.micro, self.ranks),
            num_workers=self.run.workers,
            collate_fn=_collate,
            pin_memory=self.device.type == "cuda",
            persistent_workers=False,
            prefetch_factor=4 if self.run.workers else None,
            # A fork of a process whose libraries have started threads may hang for ever.
            multiprocessing_context="forkserver" if self.run.workers else None,
            worker_init_fn=_quiet_worker,
        )
        batches = _raised(iter(loader))
        while True:
            numbers = [index * self.ranks.world + self.ranks.rank for index in range(self.accumulate)]
            step = [next(batches) for _ in numbers]
            yield [(number, self._faces(micro), micro.unreadable) for number, micro in zip(numbers, step, strict=True)]

    def _faces(self, micro: Micro) -> Faces:
        gt = signed(micro.gt.to(self.device, non_blocking=True))
        looks = [signed(view.to(self.device, non_blocking=True)) for view in micro.views]
        recipe = self.pairs.recipe
        if recipe is not None and not looks:
            plain = (gt + 1) / 2
            made = [recipe.apply_batch(plain, draws) for draws in micro.draws]
            looks, gt = [lq * 2 - 1 for lq, _ in made], made[0][1] * 2 - 1
        labels = {name: values.to(self.device, non_blocking=True) for name, values in micro.labels.items()}
        lq, second = (*looks, None, None)[:2]
        return Faces(gt, lq, second, labels)


def _raised(batches: Iterator[Micro | BfrbenchError]) -> Iterator[Micro]:
    for micro in batches:
        if isinstance(micro, BfrbenchError):
            raise micro
        yield micro


def signed(levels: Tensor) -> Tensor:
    """uint8 to float32 in [-1, 1]."""
    return levels.float().mul_(2 / 255).sub_(1)


@dataclass(frozen=True)
class _Numbers:
    """The numbers of the images of each micro-batch of one process, without end."""

    start: int
    batch: int
    micro: int
    ranks: Ranks

    def __iter__(self) -> Iterator[list[int]]:
        step = self.start
        while True:
            for first in range(step + self.ranks.rank * self.micro, step + self.batch, self.micro * self.ranks.world):
                yield list(range(first, first + self.micro))
            step += self.batch


def _quiet_worker(_: int) -> Any:
    """Workers leave Ctrl-C to the process that trains, and the cores to each other."""
    import signal

    import cv2

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
