"""A data set in use: samples by position or id, in order, in parts, or as a stream.

Both kinds rest on a Hugging Face table (`hf`), which holds names and labels; an image is read and decoded when
its sample is asked for.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol

from bfrbench.contracts import Pose, Sample
from bfrbench.data.locators import read_cell
from bfrbench.errors import InputError, UnknownName, UsageError

if TYPE_CHECKING:
    import datasets
    from bfrbench.data.card import DataCard


class Samples(Protocol):
    """What `open_dataset` gives: everything that bench, training and commands need of a data set."""

    @property
    def ref(self) -> str: ...
    @property
    def card(self) -> DataCard | None: ...
    @property
    def ids(self) -> Sequence[str]: ...
    def __len__(self) -> int: ...
    def __iter__(self) -> Iterator[Sample]: ...
    def __getitem__(self, key: int | str) -> Sample: ...
    def shard(self, index: int, count: int) -> Samples: ...
    def select(self, ids: Sequence[str]) -> Samples: ...


class ImageSet:
    """A set whose every id is known."""

    def __init__(self, ref: str, hf: datasets.Dataset, ids: Sequence[str], card: DataCard | None = None) -> None:
        self.ref, self.hf, self.ids, self.card = ref, hf, ids, card

    def __len__(self) -> int:
        return len(self.ids)

    def __iter__(self) -> Iterator[Sample]:
        return (self[index] for index in range(len(self)))

    def __getitem__(self, key: int | str) -> Sample:
        return sample_of(self.hf[self.position(key)], self.identity_rule)

    def position(self, key: int | str) -> int:
        """Where a sample is; an unknown id is told as such."""
        if isinstance(key, str):
            if key not in self._positions:
                raise UnknownName(f"image of {self.ref}", key, (), "see 'bfrbench datasets show' for the set")
            return self._positions[key]
        if not -len(self) <= key < len(self):
            raise IndexError(f"{self.ref} has {len(self)} images, there is no number {key}")
        return key % len(self)

    def person(self, key: int | str) -> str | None:
        """Who is on the image, told without decoding it."""
        row = self.hf[self.position(key)]
        return _person(row, self.identity_rule)

    def shard(self, index: int, count: int) -> ImageSet:
        """One of `count` parts that have no image in common and miss none."""
        check_part(index, count)
        return self._part(range(index, len(self), count))

    def select(self, ids: Sequence[str]) -> ImageSet:
        return self._part([self.position(name) for name in ids])

    def _part(self, positions: Sequence[int]) -> ImageSet:
        ids = [self.ids[position] for position in positions]
        return ImageSet(self.ref, self.hf.select(positions), ids, self.card)

    @cached_property
    def _positions(self) -> dict[str, int]:
        return {name: position for position, name in enumerate(self.ids)}

    @property
    def identity_rule(self) -> str:
        return self.card.identity if self.card else ""


class ImageStream:
    """A set that is only read from front to end: nothing is known of it until it comes."""

    def __init__(self, ref: str, hf: datasets.IterableDataset, card: DataCard | None = None) -> None:
        self.ref, self.hf, self.card = ref, hf, card

    def __iter__(self) -> Iterator[Sample]:
        rule = self.card.identity if self.card else ""
        return (sample_of(row, rule) for row in self.rows())

    def rows(self) -> Iterator[Mapping[str, Any]]:
        """Its samples with images still encoded, each id once and each a text."""
        from bfrbench.data.table import IdCheck, told

        check = IdCheck(self.ref)
        with told(self.ref):
            for row in self.hf:
                check(row["id"])
                yield row

    def shard(self, index: int, count: int) -> ImageStream:
        """One of `count` parts, for a node of its own."""
        from datasets.distributed import split_dataset_by_node

        check_part(index, count)
        return ImageStream(self.ref, split_dataset_by_node(self.hf, rank=index, world_size=count), self.card)


def sample_of(row: Mapping[str, Any], identity_rule: str = "") -> Sample:
    """A row of a table as a sample."""
    name = row["id"]
    image = read_cell(row["image"], name)
    gt = read_cell(row["gt"], name) if row.get("gt") is not None else None
    return Sample(name, image, gt, _person(row, identity_rule), _pose(row), _points(row, name))


def _person(row: Mapping[str, Any], rule: str) -> str | None:
    """From the table, else from the name by a card's rule."""
    identity = row.get("identity")
    if identity is None and rule:
        return identity_of(row["id"], (row["image"] or {}).get("path") or row["id"], rule)
    return None if identity is None else str(identity)


def identity_of(name: str, path: str, rule: str) -> str | None:
    """A person from an id by a card's rule."""
    if rule == "parent":
        parts = path.split("::")[0].rsplit("/", 2)
        return parts[-2] if len(parts) > 1 and parts[-2] else None
    found = re.match(rule, name)
    return found["identity"] if found else None


def check_part(index: int, count: int) -> None:
    if count < 1 or not 0 <= index < count:
        raise UsageError(f"there is no part {index} of {count}", "count parts from 0")


def _pose(row: Mapping[str, Any]) -> Pose | None:
    angles = [row.get(name) for name in ("yaw", "pitch", "roll")]
    return Pose(*map(float, angles)) if all(angle is not None for angle in angles) else None  # type: ignore[arg-type]


def _points(row: Mapping[str, Any], name: str) -> Any:
    values = row.get("points")
    if values is None:
        return None
    import numpy as np

    points = np.asarray(values, np.float32)
    if points.size != 10 or not np.isfinite(points).all():
        raise InputError(f"the points of {name!r} are {points.size} numbers, not 5 × (x, y)", "mend the labels")
    return points.reshape(5, 2)
