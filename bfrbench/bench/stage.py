"""What a board comes to on this machine: its data set, recipe and protocol, and the digest of all that was chosen."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from bfrbench import digests
from bfrbench.bench.board import GIVEN, Board, load_board
from bfrbench.degradations.given import Given
from bfrbench.digests import Digest
from bfrbench.errors import InputError, UsageError
from bfrbench.metrics import Protocol as MetricProtocol
from bfrbench.metrics import ProtocolMetric, load_protocol
from bfrbench.metrics.scorer import lacking
from bfrbench.specs import Need

if TYPE_CHECKING:
    from pathlib import Path

    from bfrbench.contracts import Draw, Pair, Sample, U8Image
    from bfrbench.plugins import PluginHost

DIGEST_FORM = 1
"""Raised when the same board file would come to other images."""


class Samples(Protocol):
    """What the bench asks of a data set."""

    @property
    def ids(self) -> Sequence[str]: ...
    def __getitem__(self, image_id: str) -> Sample: ...


@dataclass(frozen=True)
class Stage:
    """A board with everything it names, ready to be read from several threads."""

    board: Board
    dataset: Samples
    dataset_digest: Digest
    recipe: Any | None
    """None when the low-quality images come with the set."""
    protocol: MetricProtocol
    has_ground_truth: bool
    has_identity: bool

    @property
    def digest(self) -> Digest:
        """Two results are comparable exactly when this and the digest of their inputs are equal."""
        return board_digest(self.board, self.dataset_digest, self.recipe, self.protocol)

    @property
    def available(self) -> tuple[Need, ...]:
        """What the metrics can be given here."""
        found: list[Need] = ["lq"]
        if self.has_ground_truth:
            found.append("gt")
        if self.recipe is not None and not isinstance(self.recipe, Given):  # whose draws name a file, and no operation
            found.append("draws")
        if self.has_identity:
            found.append("identity")
        return tuple(found)

    @property
    def skipped(self) -> dict[str, str]:
        """Metrics that this set cannot answer, and what they lack."""
        needs = {one.name: lacking(one, self.available) for one in self.protocol.metrics}
        return {name: f"needs {' and '.join(some)}" for name, some in needs.items() if some}

    @property
    def metrics(self) -> tuple[ProtocolMetric, ...]:
        """The metrics that are measured."""
        return tuple(one for one in self.protocol.metrics if one.name not in self.skipped)

    @property
    def apply(self) -> Callable[[U8Image, Draw], Pair]:
        assert self.recipe is not None
        apply: Callable[[U8Image, Draw], Pair] = self.recipe.apply
        return apply


def board_digest(board: Board, dataset: Digest, recipe: Any | None, protocol: MetricProtocol) -> Digest:
    """Of everything that decides the results, and of nothing else: not of titles, rules of gates or layout."""
    return digests.of_data(
        {
            "form": DIGEST_FORM,
            "dataset": dataset,
            "size": board.size,
            "seed": board.seed,
            "degradation": None if recipe is None else recipe.digest,
            "protocol": protocol.digest,
            "codec": board.codec,
            "max_failures": board.max_failures,
            "breakdown": [one.model_dump(mode="json") for one in board.breakdown],
        }
    )


def digest_of_board(board: Board) -> Digest:
    """The digest of a board; the images of a set with a card need not be here."""
    return board_digest(board, dataset_digest(board), load_board_recipe(board), load_protocol(board.protocol))


_PROSE = {"title", "summary", "homepage", "licence", "redistributable", "other_counts", "by_hand", "hub", "given"}
_PROSE |= {"trained_by", "notes", "has"}


def open_stage(board: Board | str | Path, *, metrics: Sequence[str] = (), host: PluginHost | None = None) -> Stage:
    """Open everything that a board names; what is missing is one sentence. `metrics` cuts the protocol."""
    found = board if isinstance(board, Board) else load_board(board)
    protocol = load_protocol(found.protocol, host=host)
    recipe = load_board_recipe(found, host)
    samples = _open_samples(found)
    if not samples.ids:
        raise InputError(f"data set {found.dataset!r} of board {found.name!r} is empty", "complete the set")
    first = samples[samples.ids[0]]
    return Stage(
        board=found,
        dataset=samples,
        dataset_digest=dataset_digest(found, samples),
        recipe=recipe,
        protocol=protocol.only(metrics) if metrics else protocol,
        has_ground_truth=recipe is not None or first.gt is not None,
        has_identity=first.identity is not None,
    )


def load_board_recipe(board: Board, host: PluginHost | None = None) -> Any | None:
    """The recipe that a board names, for images of the board's size; None for `given`."""
    if board.degradation == GIVEN:
        return None
    from bfrbench.degradations import load_recipe

    recipe = load_recipe(board.degradation, host)
    name, size = getattr(recipe, "name", board.degradation), getattr(recipe, "reference_size", 0)
    if getattr(recipe, "moves_target", False):
        problem = f"recipe {name} may flip or move its target, and boards measure faces where their set has them"
        raise UsageError(problem, "take a recipe that leaves the target in its place")
    if size not in (0, board.size):
        problem = f"recipe {name} is meant for {size} px and board {board.name} has {board.size}"
        raise UsageError(problem, f'write degradation = "{board.degradation.partition("@")[0]}@{board.size}"')
    return recipe


def _open_samples(board: Board) -> Any:
    """The samples: rendered at the board's size when they come from the studio."""
    from bfrbench.data import open_dataset
    from bfrbench.studio.splits import PLANS, split

    return split(board.dataset, size=board.size) if board.dataset in PLANS else open_dataset(board.dataset)


def dataset_digest(board: Board, samples: Any = None) -> Digest:
    """Of which images are meant: a card's facts without its prose, the studio's name, else the ids that were found."""
    from bfrbench.data import cards
    from bfrbench.studio.splits import PLANS

    ref = board.dataset
    if ref in PLANS:
        return digests.of_data({"studio": ref})
    if card := cards().get(ref.partition(":")[0]):
        return digests.of_data({"ref": ref, "card": card.model_dump(mode="json", exclude=_PROSE)})
    return digests.of_data({"ids": list((samples if samples is not None else _open_samples(board)).ids)})
