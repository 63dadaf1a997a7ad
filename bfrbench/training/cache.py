"""Data sets decoded once, at the model's size: into memory that the workers of a process share, or into files that all
processes of a training make together, a part each, and read from."""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable, Iterable
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from bfrbench.contracts import Sample
from bfrbench.errors import BfrbenchError, OutputError
from bfrbench.progress import track
from bfrbench.training.ranks import Ranks

if TYPE_CHECKING:
    from bfrbench.contracts import U8Image

Known = Sample | BfrbenchError
"""What is known of an image, without the image."""


class Cache:
    """One data set. An image that cannot be read is found out when the cache is made, and refused when it is asked
    for: how many of those a training takes is not settled here."""

    def __init__(
        self, read: Callable[[int], Sample], count: int, size: int, name: str, base: Path | None, me: Ranks
    ) -> None:
        """`base` is where files go, each with the number of its part behind it; None keeps all in memory."""
        self.shape = (size, size, 3)
        self.length = math.prod(self.shape)
        self.files = (
            [] if base is None else [base.with_name(f"{base.name}-{i}-of-{me.world}.u8") for i in range(me.world)]
        )
        self.part = math.ceil(count / max(1, len(self.files)))
        shape = (0 if base else count, *self.shape)
        self.memory = torch.empty(shape, dtype=torch.uint8).share_memory_()  # type: ignore[no-untyped-call]
        if base is None:
            self.known = self._filled(read, range(count), name, None)
            return
        first = min(count, me.rank * self.part)
        own = range(first, min(count, first + self.part))
        try:
            found = self._filled(read, own, name, self.files[me.rank])
        except OSError as error:
            problem = f"the cache {self.files[me.rank]} cannot be written ({error})"
            raise OutputError(problem, "make room, or set run.cache to ram or none") from error
        self.known = [known for part in me.gather(found) for known in part]
        if missing := [file for file in self.files if not file.is_file()]:
            problem = f"{missing[0]} of another process is not seen here"
            raise OutputError(
                problem, "give --out in a folder that all machines share, or set run.cache to ram or none"
            )

    def read(self, position: int) -> Sample:
        known = self.known[position]
        if isinstance(known, BfrbenchError):
            raise known
        return replace(known, image=self._image(position))

    def _filled(
        self, read: Callable[[int], Sample], positions: Iterable[int], name: str, file: Path | None
    ) -> list[Known]:
        nothing, known = np.empty((0, 0, 3), np.uint8), list[Known]()
        if file is not None:
            file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("wb") if file is not None else nullcontext() as out:
            for place, position in enumerate(track(positions, f"caching {name}")):
                try:
                    sample = read(position)
                except BfrbenchError as error:
                    known.append(error)
                    continue
                if out is None:
                    self.memory[position] = torch.from_numpy(sample.image)
                else:
                    out.seek(place * self.length)
                    out.write(sample.image.tobytes())
                known.append(replace(sample, image=nothing))
        return known

    def _image(self, position: int) -> U8Image:
        if not self.files:
            image: U8Image = self.memory[position].numpy()
            return image
        part, place = divmod(position, self.part)
        found = np.fromfile(self.files[part], np.uint8, self.length, offset=place * self.length)
        return found.reshape(self.shape)


def clear(folder: Path, processes: int) -> None:
    """Remove what trainings of another number of processes left here."""
    for path in folder.glob("*") if folder.is_dir() else ():
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        elif not path.name.endswith(f"-of-{processes}.u8"):
            path.unlink(missing_ok=True)
