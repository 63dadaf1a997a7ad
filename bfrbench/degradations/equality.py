"""Are two low-quality sets the same? Equal, near (a codec's last bit) or different: only the first two compare."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

from bfrbench.degradations.files import image_files
from bfrbench.digests import Digest, of_array, of_data

if TYPE_CHECKING:
    from bfrbench.contracts import U8Image

EqualityClass: TypeAlias = Literal["equal", "near", "different"]
NEAR_LEVELS = 1
"""Grey levels by which a pixel of a near set may differ at most."""
NEAR_SHARE = 0.001
"""Share of the pixels of a near set that may differ."""


@dataclass(frozen=True)
class Equality:
    """How two sets relate, and why."""

    verdict: EqualityClass
    images: int
    levels: int
    """The largest difference of any pixel."""
    share: float
    """Of the pixels of the whole set that differ at all."""
    missing: tuple[str, ...] = ()
    """Ids that only one of the sets has, or whose sizes differ."""
    worst: str = ""


def compare(pairs: Iterable[tuple[str, U8Image, U8Image]], missing: Iterable[str] = ()) -> Equality:
    """Compare two sets image by image; ids that only one set has make them different."""
    import numpy as np

    count = levels = pixels = differing = 0
    worst, lost = "", list(missing)
    for image_id, a, b in pairs:
        count += 1
        if a.shape != b.shape:
            lost.append(image_id)
            continue
        difference = np.abs(a.astype(np.int16) - b).max(axis=2)
        pixels += difference.size
        differing += int(np.count_nonzero(difference))
        if int(difference.max()) > levels:
            levels, worst = int(difference.max()), image_id
    share = differing / pixels if pixels else 0.0
    verdict: EqualityClass = "near" if levels <= NEAR_LEVELS and share <= NEAR_SHARE else "different"
    if lost or not count:
        verdict = "different"
    elif not differing:
        verdict = "equal"
    return Equality(verdict, count, levels, share, tuple(sorted(lost)), worst)


def compare_folders(a: Path, b: Path) -> Equality:
    from bfrbench.imaging.read import read_image

    files_a, files_b = image_files(a, "path"), image_files(b, "path")
    both = sorted(files_a.keys() & files_b.keys())
    pairs = ((image_id, read_image(files_a[image_id]), read_image(files_b[image_id])) for image_id in both)
    return compare(pairs, files_a.keys() ^ files_b.keys())


def pixels_digest(image: U8Image) -> Digest:
    """Of the pixels, whatever file format holds them."""
    return of_array(image)


def set_digest(images: Mapping[str, Digest]) -> Digest:
    """Of a whole set, from the pixel digest of each image id: what a board freezes."""
    return of_data(dict(images))
