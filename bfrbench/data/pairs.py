"""Verification protocols: which two images of a set are compared, in which fold, and whether they show one person."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal

from bfrbench.data.released import find_beside, lines_of
from bfrbench.errors import InputError

FOLDS = 10


@dataclass(frozen=True, slots=True)
class Compared:
    """Two images, by id."""

    fold: int
    one: str
    other: str
    same: bool


def cfp_pairs(root: Path, protocol: Literal["FF", "FP"] = "FP") -> list[Compared]:
    """CFP's pairs, from the folder Protocol that comes with it; `root` is where its images were registered.

    FP compares frontal with profile images, FF frontal ones with each other.
    """
    place = next((p / "Protocol" for p in (root, *root.parents[:2]) if (p / "Protocol" / "Split").is_dir()), None)
    if place is None:
        raise InputError(f"no folder Protocol lies at {root} or above it", "unpack cfp-dataset.zip as a whole")
    lists = [_images(place / f"Pair_list_{kind}.txt") for kind in ("F", protocol[1])]
    pairs: list[Compared] = []
    for fold in range(1, FOLDS + 1):
        for same in (True, False):
            path = place / "Split" / protocol / f"{fold:02}" / ("same.txt" if same else "diff.txt")
            pairs += [Compared(fold, *ids, same) for ids in _pairs(path, lists)]
    return pairs


def _images(path: Path) -> dict[str, str]:
    """Number to id: the last three parts of the path, as the card takes ids."""
    if (found := find_beside(path.parent, path.name)) is None:
        raise InputError(f"{path} is missing", "unpack cfp-dataset.zip as a whole")
    return {
        number: str(PurePosixPath(*PurePosixPath(file).parts[-3:]).with_suffix(""))
        for number, file in lines_of(found, 2)
    }


def _pairs(path: Path, lists: list[dict[str, str]]) -> list[tuple[str, str]]:
    if not path.is_file():
        raise InputError(f"{path} is missing", "unpack cfp-dataset.zip as a whole")
    pairs = []
    for number, line in enumerate(path.read_text(encoding="utf-8").split(), 1):
        one, _, other = line.partition(",")
        if one not in lists[0] or other not in lists[1]:
            raise InputError(f"line {number} of {path} names no pair of the lists: {line!r}", "unpack it again")
        pairs.append((lists[0][one], lists[1][other]))
    return pairs
