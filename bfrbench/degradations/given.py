"""`given`: low-quality images that somebody else made and released, taken as they are, each with its digest."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from bfrbench.contracts import Draw, Op, Pair
from bfrbench.degradations.files import image_files
from bfrbench.digests import Digest, of_data, of_file
from bfrbench.errors import InputError, UsageError

if TYPE_CHECKING:
    from bfrbench.contracts import U8Image


@dataclass(frozen=True)
class Given:
    """The files of one folder by their path without its ending; images are found by it, or by their name alone."""

    folder: Path
    files: dict[str, Path]
    name: str = "given"
    summary: str = "Released low-quality images, taken as they are."
    source: str = "the folder's owner"
    reference_size: int = 0
    touches_target: bool = False
    moves_target: bool = False

    @classmethod
    def open(cls, folder: str) -> Given:
        if not folder:
            raise UsageError("given needs the folder of the released images", "write given:FOLDER")
        root = Path(folder).expanduser()
        return cls(root, image_files(root, "path"))

    @cached_property
    def digests(self) -> dict[str, Digest]:
        """The sha256 of each file."""
        return {image_id: of_file(path) for image_id, path in self.files.items()}

    @cached_property
    def digest(self) -> Digest:
        return of_data({"given": self.digests})

    def draw(self, seed: int, image_id: str, *, view: int = 0) -> Draw:
        """Nothing is drawn: the one step names the file by its digest."""
        return Draw(self.digest, image_id, view, 0, (Op("given", {"sha256": of_file(self._file(image_id))}),))

    def apply(self, gt: U8Image, draw: Draw) -> Pair:
        from bfrbench.degradations.filtering import resize_rounded
        from bfrbench.imaging.read import read_image

        path = self._file(draw.image_id)
        if draw.ops[0].args["sha256"] != of_file(path):
            raise InputError(f"{path} is not the file that was drawn", "restore the released file")
        lq = read_image(path)
        if lq.shape != gt.shape:
            lq = resize_rounded(lq, (gt.shape[0], gt.shape[1]), "linear")
        return Pair(lq, gt)

    @cached_property
    def _by_name(self) -> dict[str, list[Path]]:
        names: dict[str, list[Path]] = {}
        for image_id, path in self.files.items():
            names.setdefault(image_id.rpartition("/")[2], []).append(path)
        return names

    def _file(self, image_id: str) -> Path:
        found = [self.files[image_id]] if image_id in self.files else self._by_name.get(image_id, [])
        if not found:
            raise InputError(f"{self.folder} holds no image for {image_id!r}", "check that it belongs to this set")
        if len(found) > 1:
            problem = f"{found[0]} and {found[1]} are both named {image_id!r}"
            raise InputError(problem, "give a set whose ids are paths, or names that differ")
        return found[0]
