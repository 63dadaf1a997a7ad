"""Data sets decoded once, at the model's size: into memory that workers share, or into a file that each of them opens
for itself."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from bfrbench.contracts import Sample
from bfrbench.errors import BfrbenchError, OutputError
from bfrbench.progress import track

if TYPE_CHECKING:
    from bfrbench.contracts import U8Image


class Cache:
    """One data set. An image that cannot be read is found out when the cache is made, and refused when it is asked
    for: how many of those a training takes is not settled here."""

    def __init__(self, read: Callable[[int], Sample], count: int, size: int, name: str, file: Path | None) -> None:
        self.shape, self.file = (size, size, 3), file
        self.known: list[Sample | BfrbenchError] = []
        """What is known of each image, without the image."""
        shape = (0 if file else count, *self.shape)
        self.memory = torch.empty(shape, dtype=torch.uint8).share_memory_()  # type: ignore[no-untyped-call]
        try:
            self._fill(read, count, name)
        except OSError as error:
            problem = f"the cache {file} cannot be written ({error})"
            raise OutputError(problem, "make room, or set run.cache to ram or none") from error

    def read(self, position: int) -> Sample:
        known = self.known[position]
        if isinstance(known, BfrbenchError):
            raise known
        return replace(known, image=self._image(position))

    def _fill(self, read: Callable[[int], Sample], count: int, name: str) -> None:
        nothing = np.empty((0, 0, 3), np.uint8)
        if self.file is not None:
            self.file.parent.mkdir(parents=True, exist_ok=True)
        with self.file.open("wb") if self.file is not None else nullcontext() as out:
            for position in track(range(count), f"caching {name}"):
                try:
                    sample = read(position)
                except BfrbenchError as error:
                    self.known.append(error)
                    continue
                if out is None:
                    self.memory[position] = torch.from_numpy(sample.image)
                else:
                    out.seek(position * sample.image.nbytes)
                    out.write(sample.image.tobytes())
                self.known.append(replace(sample, image=nothing))

    def _image(self, position: int) -> U8Image:
        if self.file is None:
            image: U8Image = self.memory[position].numpy()
            return image
        length = int(np.prod(self.shape))
        return np.fromfile(self.file, np.uint8, length, offset=position * length).reshape(self.shape)
