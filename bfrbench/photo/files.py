"""Photographs as files: what goes where, what is kept beside the pixels, and what one bad file costs (itself)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from bfrbench.errors import BfrbenchError, UsageError
from bfrbench.imaging.read import images_in, read_picture
from bfrbench.imaging.write import KEEPS_ALPHA, WRITABLE, write_image

if TYPE_CHECKING:
    import numpy.typing as npt

    from bfrbench.contracts import U8Image
    from bfrbench.imaging.picture import Picture
    from bfrbench.photo.restore import PhotoRestorer


@dataclass(frozen=True)
class Outcome:
    """What became of one file."""

    source: Path
    target: Path
    faces: int = 0
    notes: tuple[str, ...] = ()
    seconds: dict[str, float] = field(default_factory=dict)
    error: str = ""


def plan(inputs: Iterable[Path], out: Path) -> list[tuple[Path, Path]]:
    """Pairs of source and target. A folder stands for the images in it; `out` is a file only for a single one."""
    sources: list[Path] = []
    for path in inputs:
        sources += images_in(path) if path.is_dir() else [path]
    if not sources:
        raise UsageError("there is no image to restore", "name image files, or folders that hold some")
    if out.suffix.lower() in WRITABLE and not out.is_dir():
        if len(sources) > 1:
            raise UsageError(f"{out} is one file, and there are {len(sources)} images", "give a folder with -o")
        return [(sources[0], out)]
    pairs = [(source, out / (source.stem + _suffix(source))) for source in sources]
    seen: dict[Path, Path] = {}
    for source, target in pairs:
        if (other := seen.setdefault(target, source)) != source:
            problem = f"{other} and {source} would both be written to {target}"
            raise UsageError(problem, "rename one, or restore them into different folders")
    return pairs


def restore_files(
    pairs: Iterable[tuple[Path, Path]], restorer: PhotoRestorer, *, force: bool = False, compare: bool = False
) -> Iterator[Outcome]:
    """Restore file by file; a file that fails is an outcome like the others."""
    for source, target in pairs:
        try:
            yield _one(source, target, restorer, force, compare)
        except BfrbenchError as error:
            text = str(error)
            yield Outcome(source, target, error=text if str(source) in text else f"{source}: {text}")
        except Exception as error:  # whatever a network or its device says; the other files are done all the same
            said = str(error).partition("\n")[0]
            yield Outcome(source, target, error=f"{source}: {type(error).__name__}: {said}")


def _one(source: Path, target: Path, restorer: PhotoRestorer, force: bool, compare: bool) -> Outcome:
    side_by_side = target.with_name(f"{target.stem}_compare.png")
    for path in (target, side_by_side) if compare else (target,):
        if path.exists() and source.exists() and path.samefile(source):
            raise UsageError(f"{source} would be overwritten by its own restoration", "choose another folder with -o")
        if path.exists() and not force:
            raise UsageError(f"{path} is there already", "add --force to write it again")
    picture = read_picture(source)
    background = picture.over((255, 255, 255)) if not _keeps_alpha(target) else picture.rgb
    result = restorer(background)
    notes = list(result.notes)
    if picture.alpha is not None and not _keeps_alpha(target):
        notes.append(f"{target.suffix} holds no transparency, so white was put behind the picture")
    if bool((picture.rgb == picture.rgb[..., :1]).all()):
        notes.append("the picture is grey; a restorer may give its faces colour")
    alpha = _resized(picture.alpha, result.image) if _keeps_alpha(target) else None
    write_image(target, result.image, alpha=alpha, exif=picture.exif, icc=picture.icc)
    if compare:
        write_image(side_by_side, _beside(picture, result.image), icc=picture.icc)
    return Outcome(source, target, result.faces, tuple(notes), result.seconds)


def _suffix(source: Path) -> str:
    return source.suffix if source.suffix.lower() in WRITABLE else ".png"


def _keeps_alpha(target: Path) -> bool:
    return target.suffix.lower() in KEEPS_ALPHA


def _resized(alpha: npt.NDArray[np.uint8] | None, like: U8Image) -> npt.NDArray[np.uint8] | None:
    from PIL import Image

    if alpha is None:
        return None
    size = (like.shape[1], like.shape[0])
    return np.array(Image.fromarray(alpha).resize(size, Image.Resampling.BICUBIC))


def _beside(picture: Picture, restored: U8Image) -> U8Image:
    """Before and after, at the size of after, with a white line between."""
    from PIL import Image

    height, width = restored.shape[:2]
    before = Image.fromarray(picture.over((255, 255, 255)))
    if before.size != (width, height):
        before = before.resize((width, height), Image.Resampling.BICUBIC)
    line = np.full((height, max(2, width // 100), 3), 255, np.uint8)
    return np.concatenate([np.asarray(before), line, restored], axis=1)
