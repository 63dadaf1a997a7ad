"""Cards: what is known of each weight file - its digest, size, sources, licence and who needs it.

A card is data, one TOML file each; where the file lies on this machine is the store's business.
"""

from __future__ import annotations

import functools
from importlib import resources
from pathlib import Path
from typing import Annotated, Literal

import pydantic

from bfrbench import config
from bfrbench.errors import ConfigError

Sha256 = Annotated[str, pydantic.StringConstraints(pattern=r"^[0-9a-f]{64}$")]
FileName = Annotated[str, pydantic.StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._+-]*$")]
CardName = Annotated[str, pydantic.StringConstraints(pattern=r"^[a-z0-9]+(?:[-.][a-z0-9]+)*$")]


class Source(config.Frozen):
    """One place that the file can be had from: an address, an archive at an address, or an installed package."""

    url: str = ""
    """http(s) is fetched by the store; any other scheme is offered to plugins (`bfrbench_resolve_weights`)."""
    member: str = ""
    """The file's path inside the zip at `url`, or inside `package`."""
    package: str = ""
    """An installed Python package that carries the file."""
    archive_size: pydantic.PositiveInt | None = None
    make: Literal["", "fold-imagenet-normalisation"] = ""
    """How the file is made from what lies at `url`; see `bfrbench.weights.making`."""

    @pydantic.model_validator(mode="after")
    def _one_place(self) -> Source:
        if bool(self.url) == bool(self.package):
            raise ValueError("a source has either a url or a package")
        if self.package and not self.member:
            raise ValueError("a package source needs the member")
        if self.member and self.make:
            raise ValueError("a source has either a member or a way to make the file")
        return self

    @property
    def label(self) -> str:
        """How a sentence names this place."""
        if self.package:
            return f"the Python package {self.package}"
        if self.make:
            return f"{self.url} (by {self.make})"
        return f"{self.url} ({self.member} inside)" if self.member else self.url


class WeightCard(config.Frozen):
    """What is known of one weight file."""

    name: CardName
    file: FileName
    summary: str
    sha256: Sha256 | None = None
    """None where nobody published it: the first use records it in the user's folder and later uses check it."""
    sha256_prefix: Annotated[str, pydantic.StringConstraints(pattern=r"^[0-9a-f]{8,63}$")] | None = None
    """The first digits, where a publisher gives only those (PyTorch writes eight into its file names)."""
    size: pydantic.PositiveInt | None = None
    licence: str
    needed_by: tuple[str, ...]
    sources: tuple[Source, ...] = ()
    by_hand: str = ""
    """How to get it where no address can be fetched by a program."""
    numpy: bool = False
    """Whether reading it needs NumPy arrays to be rebuilt inside torch.load."""
    use: Literal["any", "evaluation", "training"] = "any"
    """Networks that judge stay out of losses, and the other way round."""
    note: str = ""

    @pydantic.model_validator(mode="after")
    def _findable(self) -> WeightCard:
        if not self.sources and not self.by_hand:
            raise ValueError("a card needs a source, or says in by_hand how to get the file")
        if self.sha256 and self.sha256_prefix:
            raise ValueError("with the whole sha256 there is no need of a prefix")
        if not self.sha256 and any(source.package or source.make for source in self.sources):
            raise ValueError("a file from a package, or one that is made, needs its sha256")
        return self

    @property
    def digest_words(self) -> str:
        """How a sentence gives the digest."""
        if self.sha256:
            return f"sha256 {self.sha256}"
        if self.sha256_prefix:
            return f"sha256 {self.sha256_prefix}…"
        return "sha256 not published"


def read_cards(folder: Path) -> dict[str, WeightCard]:
    """Every card of a folder, by name; a file is called as the card is."""
    found = {}
    for path in sorted(folder.glob("*.toml")):
        card = config.load(path, WeightCard)
        if card.name != path.stem:
            raise ConfigError(f"{path} holds the card {card.name!r}", "name the file as the card")
        found[card.name] = card
    return found


@functools.cache
def shipped_cards() -> dict[str, WeightCard]:
    """The cards that travel with bfrbench."""
    return read_cards(Path(str(resources.files("bfrbench.weights"))) / "cards")
