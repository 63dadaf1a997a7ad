"""Data set cards: what is known of a set before anyone has it. Where its files lie is for `roots`.

A card is one TOML file in the top-level folder `datasets/`, or a plugin's; it holds no image and no secret.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Annotated, Literal

import pydantic
from pydantic import Field

from bfrbench import config, places
from bfrbench.config import Frozen
from bfrbench.errors import ConfigError, UnknownName

Name = Annotated[str, pydantic.StringConstraints(pattern=r"^[a-z0-9]+(?:[-.][a-z0-9]+)*$")]
Sha256 = Annotated[str, pydantic.StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Label = Literal["ground-truth", "identity", "pose", "points", "expression"]
Layout = Literal["aflw2000", "celeba", "celeba-hq"]
"""How the label files are written that a set is released with (see `released`)."""
Ids = Literal["stem", "path"]
"""Whether an id is a file's name without suffix, or its path in the set without suffix."""


class OtherCount(Frozen):
    """A number of images that some copies or papers give instead."""

    count: pydantic.PositiveInt
    where: str


class Numbered(Frozen):
    """Ids that are numbers, written with a fixed width: every missing one can be named."""

    first: pydantic.NonNegativeInt = 0
    last: pydantic.NonNegativeInt
    width: pydantic.PositiveInt

    def ids(self) -> list[str]:
        return [f"{number:0{self.width}d}" for number in range(self.first, self.last + 1)]


class Split(Frozen):
    """A part of a set in files of its own."""

    files: tuple[str, ...]
    """Glob patterns under the root."""
    count: pydantic.PositiveInt | None = None
    sha256: Mapping[str, Sha256] = Field(default_factory=dict)


class Given(Frozen):
    """Released low-quality partners of the set's images, paired by id."""

    name: Name
    count: pydantic.PositiveInt | None = None
    source: str
    by_hand: str
    suffix: str = ""
    """What a low-quality file's name has after the id of its partner."""


class Contamination(Frozen):
    """A published model whose training saw these images."""

    model: str
    note: str


class DataCard(Frozen):
    """What is known of a data set."""

    id: Name
    title: str
    summary: str
    homepage: str
    licence: str
    redistributable: bool
    """Whether the licence lets a third party pass the images on."""
    quality: Literal["sharp", "degraded", "mixed"]
    """`sharp` images are ground truth for a degradation recipe; `degraded` ones are inputs as they stand."""
    count: pydantic.PositiveInt | None = None
    """None where it is endless or nobody published it."""
    other_counts: tuple[OtherCount, ...] = ()
    size: pydantic.PositiveInt | None = None
    """Side in pixels of the square images; None where sizes differ."""
    alignment: Literal["ffhq", "arcface", "celeba", "none"]
    has: tuple[Label, ...] = ()
    by_hand: str
    """How to get it, for a person: nothing is downloaded without their word."""
    hub: str = ""
    """A Hugging Face repository that its owners publish, if there is one."""
    ids: Ids = "stem"
    numbered: Numbered | None = None
    identity: str = ""
    """A regular expression with a group `identity` over ids, or `parent` for the folder's name."""
    labels: Layout | None = None
    """The layout of the label files that lie beside its images."""
    part_of: Name | None = None
    """The set whose images with the ids of `numbered` make up this one."""
    drawn_from: tuple[Name, ...] = ()
    """Sets that its images were taken from, with or without a card here."""
    rendered: tuple[Name, ...] = ()
    """Names under which it can be opened with nothing on disk."""
    splits: Mapping[Name, Split] = Field(default_factory=dict)
    columns: Mapping[str, str] = Field(default_factory=dict)
    """For tables: the column of each of our names (id, image, identity, points)."""
    given: tuple[Given, ...] = ()
    trained_by: tuple[Contamination, ...] = ()
    unverified: tuple[str, ...] = ()
    """Facts of this card that were not checked against the set itself or its authors' page."""
    notes: tuple[str, ...] = ()

    @pydantic.model_validator(mode="after")
    def _hangs_together(self) -> DataCard:
        names = [*self.splits, *(partner.name for partner in self.given)]
        if len(set(names)) != len(names):
            raise ValueError("a split and a given partner have one name")
        if self.identity not in ("", "parent") and "identity" not in re.compile(self.identity).groupindex:
            raise ValueError("identity must be 'parent' or have a group named identity")
        if self.part_of and not self.numbered:
            raise ValueError("part_of needs numbered ids")
        if self.numbered and self.count != self.numbered.last - self.numbered.first + 1:
            raise ValueError(f"count is {self.count}, numbered ids say otherwise")
        return self

    @property
    def views(self) -> list[str]:
        """What may stand behind the colon of a reference to it."""
        return [*self.splits, *(partner.name for partner in self.given)]

    @property
    def sources(self) -> frozenset[str]:
        """Every set that holds some of its images: a model trained on one of them may have seen the answer."""
        return frozenset({self.id, *self.drawn_from, *([self.part_of] if self.part_of else [])})

    def partner(self, name: str) -> Given | None:
        return next((partner for partner in self.given if partner.name == name), None)


@cache
def _shipped(folder: Path) -> dict[str, DataCard]:
    found = {}
    for path in sorted(folder.glob("*.toml")):
        card = config.load(path, DataCard)
        if card.id != path.stem:
            raise ConfigError(f"{path} describes {card.id!r}", "name the file after its id")
        found[card.id] = card
    return found


def cards() -> dict[str, DataCard]:
    """Every card that travels with bfrbench, by id."""
    return _shipped(places.carried("datasets"))


def card_of(reference: str) -> DataCard | None:
    """The card of what a reference names: a set, one part of it, or a set that it renders."""
    name, known = reference.partition(":")[0], cards()
    rendering = (card for card in known.values() if name in card.rendered)
    return known.get(name) or next(rendering, None)


def find_card(name: str) -> DataCard:
    known = cards()
    if name not in known:
        raise UnknownName("data set", name, known)
    return known[name]
