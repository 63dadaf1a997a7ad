"""Folders of finished images, paired by name and read in batches: a missing, extra or different file is named."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from bfrbench.contracts import Draw, Scored
from bfrbench.errors import InputError, UsageError

if TYPE_CHECKING:
    from torch import Tensor

    from bfrbench.contracts import U8Image

    Decoded: TypeAlias = dict[str, U8Image]

RESTORED = "restored"
GT, LQ, POSTERIOR_MEAN = "gt", "lq", "posterior-mean"
_SHOWN = 5


@dataclass(frozen=True)
class Folders:
    """Images by id (the file's name without its suffix), in the order of ids, from one folder per role."""

    ids: tuple[str, ...]
    files: Mapping[str, Mapping[str, Path]]
    """By role: `restored`, and what there is of `gt`, `lq` and `posterior-mean`."""
    draws: Mapping[str, Draw] = field(default_factory=dict)

    def batches(self, size: int, *, workers: int = 2) -> Iterator[Scored]:
        """Batches of equal pictures, decoded ahead of use by a few threads."""
        for group in _same_size(self._decoded(workers, ahead=2 * size), size):
            yield self._scored(group)

    def _decoded(self, workers: int, ahead: int) -> Iterator[tuple[str, Decoded]]:
        waiting: deque[tuple[str, Future[Decoded]]] = deque()
        with ThreadPoolExecutor(workers) as pool:
            for name in self.ids:
                waiting.append((name, pool.submit(self._read, name)))
                if len(waiting) > ahead:
                    first, decoded = waiting.popleft()
                    yield first, decoded.result()
            while waiting:
                first, decoded = waiting.popleft()
                yield first, decoded.result()

    def _read(self, name: str) -> Decoded:
        from bfrbench.imaging.read import is_grey, read_image

        paths = {role: files[name] for role, files in self.files.items()}
        images = {role: read_image(path) for role, path in paths.items()}
        own = images[RESTORED].shape
        for role, image in images.items():
            if image.shape != own:
                raise InputError(
                    f"{paths[RESTORED]} is {own[1]}×{own[0]} and {paths[role]} is {image.shape[1]}×{image.shape[0]}",
                    "bring both to one size: resizing is a choice that changes every number",
                )
        if GT in paths and is_grey(paths[RESTORED]) != is_grey(paths[GT]):
            grey, colour = (RESTORED, GT) if is_grey(paths[RESTORED]) else (GT, RESTORED)
            raise InputError(
                f"{paths[grey]} is a grey picture and {paths[colour]} is in colour",
                "save both in colour, or compare grey with grey",
            )
        return images

    def _scored(self, group: Sequence[tuple[str, Decoded]]) -> Scored:
        names = tuple(name for name, _ in group)
        stacks = {role: _stack([images[role] for _, images in group]) for role in self.files}
        draws = tuple(self.draws[name] for name in names) if self.draws else None
        return Scored(
            names,
            stacks.get(LQ),
            stacks[RESTORED],
            gt=stacks.get(GT),
            draws=draws,
            posterior_mean=stacks.get(POSTERIOR_MEAN),
        )


def pair_folders(restored: Path, others: Mapping[str, Path | None], draws: Mapping[str, Draw] | None = None) -> Folders:
    """Pair folders by file name without suffix; every folder must hold the same names."""
    files = {RESTORED: by_id(restored)}
    for role, folder in others.items():
        if folder is not None:
            files[role] = by_id(folder)
            _same_names(restored, files[RESTORED], folder, files[role])
    ids = tuple(sorted(files[RESTORED]))
    if draws is not None and (lacking := [name for name in ids if name not in draws]):
        raise InputError(f"there is no draw for {_some(lacking)}", "give the draws of the same set")
    return Folders(ids, files, {name: draws[name] for name in ids} if draws is not None else {})


def by_id(folder: Path) -> dict[str, Path]:
    """The images of a folder by name without suffix; two of one name are an error."""
    from bfrbench.imaging.read import images_in

    if not folder.is_dir():
        raise UsageError(f"there is no folder {folder}", "check the path")
    found: dict[str, Path] = {}
    for path in images_in(folder):
        if path.stem in found:
            raise InputError(f"{found[path.stem]} and {path} have one name", "keep one of them: pairs go by name")
        found[path.stem] = path
    if not found:
        raise InputError(f"{folder} holds no images", "give a folder of images")
    return found


def _same_names(first: Path, ours: Mapping[str, Path], second: Path, theirs: Mapping[str, Path]) -> None:
    extra, missing = sorted(set(ours) - set(theirs)), sorted(set(theirs) - set(ours))
    if not extra and not missing:
        return
    faults = []
    if missing:
        faults.append(f"{first} lacks {_some(missing)}")
    if extra:
        faults.append(f"{second} lacks {_some(extra)}")
    remedy = "pairs go by file name without suffix: make both folders hold the same names"
    raise InputError(" and ".join(faults), remedy)


def _some(names: Sequence[str]) -> str:
    rest = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + rest


def _same_size(pictures: Iterator[tuple[str, Decoded]], most: int) -> Iterator[list[tuple[str, Decoded]]]:
    """Neighbours of one size together, `most` at a time: the batches depend on the folder alone."""
    group: list[tuple[str, Decoded]] = []
    for name, images in pictures:
        if group and (len(group) == most or group[0][1][RESTORED].shape != images[RESTORED].shape):
            yield group
            group = []
        group.append((name, images))
    if group:
        yield group


def _stack(images: Sequence[U8Image]) -> Tensor:
    import torch

    from bfrbench.imaging.convert import to_tensor

    return torch.stack([to_tensor(image) for image in images])
