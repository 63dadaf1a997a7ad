"""The named sets: which person, which shot, which pose stands at each index. Nothing is stored; a picture is rendered
when it is asked for, the same one in every process."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import overload

from bfrbench.contracts import Sample
from bfrbench.errors import UnknownName, UsageError
from bfrbench.studio.recent import Recent
from bfrbench.studio.rendering import Shot, check_size, render

_YAWS = tuple(range(-75, 76, 15))
_PITCHES = tuple(range(-40, 41, 20))
GRID = tuple((float(yaw), float(pitch)) for pitch in _PITCHES for yaw in _YAWS)
"""The poses of studio-pose."""
_ID = re.compile(r"p(\d+)-s(\d+)(?:-y([+-]\d+)-p([+-]\d+))?")


@dataclass(frozen=True, slots=True)
class Address:
    """Where a picture is: enough to render it."""

    identity: int
    shot: int
    yaw: float | None = None
    pitch: float | None = None

    @property
    def id(self) -> str:
        name = f"p{self.identity:05}-s{self.shot:04}"
        return name if self.yaw is None else f"{name}-y{self.yaw:+03.0f}-p{self.pitch:+03.0f}"


@dataclass(frozen=True, slots=True)
class Plan:
    """What a named set is."""

    seed: int
    people: int
    count: int
    says: str
    grid: tuple[tuple[float, float], ...] = ()
    endless: bool = False

    def address(self, index: int) -> Address:
        """People take turns, so that any cut from the front has as many of them as it can."""
        turn, identity = divmod(index, self.people)
        return Address(identity, 0, *self.grid[turn]) if self.grid else Address(identity, turn)

    def index(self, address: Address) -> int:
        """Where such a picture would be; -1 where there can be none."""
        if not self.grid:
            return address.shot * self.people + address.identity
        pose = (address.yaw, address.pitch)
        return self.grid.index(pose) * self.people + address.identity if pose in self.grid else -1


PLANS = {
    "studio-ci": Plan(11, 32, 64, "64 pictures of 32 people: seconds"),
    "studio-test": Plan(12, 200, 1000, "1,000 pictures of 200 people"),
    "studio-pose": Plan(13, 10, 10 * len(GRID), "10 people in 55 poses each, all else equal", GRID),
    "studio-train": Plan(14, 10_000, 70_000, "10,000 people, endless as a stream", endless=True),
}
"""The sets. Each has people of its own."""
_RECENT = Recent()


class Ids(Sequence[str]):
    """The ids of a set, made when they are asked for."""

    def __init__(self, plan: Plan, indices: Sequence[int]) -> None:
        self._plan, self._indices = plan, indices

    def __len__(self) -> int:
        return len(self._indices)

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> Ids: ...
    def __getitem__(self, index: int | slice) -> str | Ids:
        if isinstance(index, slice):
            return Ids(self._plan, self._indices[index])
        return self._plan.address(self._indices[index]).id


@dataclass(frozen=True)
class Split(Sequence[Sample]):
    """A named set at one size: samples by index or id, or whole shots with every label."""

    ref: str
    plan: Plan
    size: int
    indices: Sequence[int]
    card: None = None

    @property
    def ids(self) -> Ids:
        return Ids(self.plan, self.indices)

    def __len__(self) -> int:
        return len(self.indices)

    def __iter__(self) -> Iterator[Sample]:
        return (self[position] for position in range(len(self)))

    @overload
    def __getitem__(self, key: int | str) -> Sample: ...
    @overload
    def __getitem__(self, key: slice) -> Split: ...
    def __getitem__(self, key: int | str | slice) -> Sample | Split:
        if isinstance(key, slice):
            return replace(self, indices=self.indices[key])
        shot = self.shot(key)
        identity = self.person(key)
        return Sample(self.address(key).id, shot.image, identity=identity, pose=shot.pose, points=shot.points)

    def shot(self, key: int | str) -> Shot:
        """The picture with every label."""
        at, seed, size = self.address(key), self.plan.seed, self.size
        return _RECENT.get(
            (seed, size, at),
            lambda: render(at.identity, at.shot, seed=seed, size=size, yaw=at.yaw, pitch=at.pitch),
        )

    def address(self, key: int | str) -> Address:
        """Whom and what the picture at that index, or of that id, shows."""
        return self.plan.address(self.indices[self._position(key)])

    def person(self, key: int | str) -> str:
        """Who it is: a name that no other set has."""
        return f"{self.ref}/p{self.address(key).identity:05}"

    def _position(self, key: int | str) -> int:
        if isinstance(key, int):
            if not -len(self) <= key < len(self):
                raise IndexError(f"{self.ref} has {len(self)} pictures, there is no number {key}")
            return key
        if found := _ID.fullmatch(key):
            identity, shot, yaw, pitch = found.groups()
            angles = (float(yaw), float(pitch)) if yaw else (None, None)
            address = Address(int(identity), int(shot), *angles)
            index = self.plan.index(address)
            if index in self.indices and self.plan.address(index) == address:
                return self.indices.index(index)
        raise UnknownName(f"picture of {self.ref}", key, (), f"its ids look like {self.ids[0]!r}")

    def shard(self, index: int, count: int) -> Split:
        """One of `count` parts that have no picture in common and miss none."""
        if count < 1 or not 0 <= index < count:
            raise UsageError(f"there is no part {index} of {count}", "count parts from 0")
        return replace(self, indices=self.indices[index::count])

    def select(self, ids: Sequence[str]) -> Split:
        return replace(self, indices=[self.indices[self._position(name)] for name in ids])


def split(name: str, *, size: int = 256, count: int | None = None) -> Split:
    """The named set at one size. `count` cuts it, or for studio-train, which never ends, says how far it goes."""
    if name not in PLANS:
        raise UnknownName("studio split", name, PLANS)
    check_size(size)
    plan = PLANS[name]
    if count is not None and (count < 1 or (count > plan.count and not plan.endless)):
        raise UsageError(f"{count} pictures of {name}", f"choose from 1 to {plan.count}")
    return Split(name, plan, size, range(count or plan.count))
