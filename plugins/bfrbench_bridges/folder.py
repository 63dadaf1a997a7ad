"""`folder:PATH`: results that were made elsewhere, taken by image id."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from bfrbench.contracts import Batch
from bfrbench.errors import InputError, RestorerError, UsageError, suggestion
from bfrbench.imaging.read import SUFFIXES, is_grey, read_image
from bfrbench.restorers import RestorerContext

if TYPE_CHECKING:
    from torch import Tensor

    from bfrbench.contracts import U8Image


class FinishedFolder:
    """Reads the result of each id; an id without a result is an error that names it."""

    def __init__(self, context: RestorerContext) -> None:
        self.root = Path(context.argument or "")
        self.pattern = str(context.options.get("pattern", "{id}"))
        if "{id}" not in self.pattern:
            raise UsageError(f"the pattern {self.pattern!r} does not contain {{id}}", "write for example {id}_00.png")
        if not self.root.is_dir():
            raise InputError(f"{self.root} is not a folder", "give the folder that holds the restored images")
        self.files = index_images(self.root)

    def restore(self, batch: Batch) -> Tensor:
        import torch

        from bfrbench.imaging.convert import to_tensor

        results = [to_tensor(self._read(image_id, lq)) for image_id, lq in zip(batch.ids, batch.lq, strict=True)]
        for image_id, result in zip(batch.ids, results, strict=True):
            if result.shape != batch.lq.shape[1:]:
                here, wanted = tuple(result.shape[1:]), tuple(batch.lq.shape[2:])
                problem = f"the result of {image_id!r} in {self.root} is {here[1]}×{here[0]} px"
                raise RestorerError(problem, f"this board takes {wanted[1]}×{wanted[0]} px: resize the results once")
        return torch.stack(results).to(batch.lq.device)

    def _read(self, image_id: str, lq: Tensor) -> U8Image:
        name = self.pattern.replace("{id}", image_id)
        key = Path(name).with_suffix("").as_posix() if Path(name).suffix.lower() in SUFFIXES else name
        if key not in self.files:
            raise RestorerError(
                f"{self.root} has no result for image {image_id!r} (looked for {name})", suggestion(key, self.files)
            )
        return read_result(self.files[key], lq)


def read_result(path: Path, lq: Tensor) -> U8Image:
    """What a program made of an image; one that lost its colour on the way is not what it restored."""
    image = read_image(path)
    if is_grey(path) and not bool((lq == lq[:1]).all()):
        raise RestorerError(f"{path.name} is a grey picture of a coloured face", "let it be saved in colour")
    return image


def index_images(root: Path) -> dict[str, Path]:
    """Every image below `root` by its path without extension; two of one name are an error that names both."""
    found: dict[str, Path] = {}
    for path in sorted(root.rglob("*")):
        if path.suffix.lower() not in SUFFIXES or not path.is_file():
            continue
        key = path.relative_to(root).with_suffix("").as_posix()
        if key in found:
            raise InputError(f"{found[key]} and {path} are results of one image", "leave one of them")
        found[key] = path
    if not found:
        raise InputError(f"{root} holds no image", f"results may be {', '.join(sorted(SUFFIXES))}")
    return found
