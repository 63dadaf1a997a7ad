"""Pictures for a page: small ones of as many images as it can bear, larger ones of those that are looked at first."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bfrbench.errors import InputError
from bfrbench.progress import Progress
from bfrbench.report.runs import IMAGES, Runs

if TYPE_CHECKING:
    from bfrbench.bench.stage import Stage
    from bfrbench.contracts import U8Image

INPUT, TRUTH = "input image", "ground truth"


@dataclass(frozen=True, slots=True)
class Sizes:
    """Side in pixels and quality of small and large pictures."""

    small: int = 128
    small_quality: int = 45
    large: int = 512
    large_quality: int = 80
    page: int = 26 << 20
    """Bytes of all pictures, which are kept in the order of their interest while there is room."""
    smalls: int = 20 << 20
    """Bytes of them that small pictures may take: a few large ones are worth more than the last small ones."""


def sources(runs: Runs, stage: Stage | None) -> list[str]:
    """What is shown of each image, left to right."""
    kept = [run.name for run in runs.runs if (run.folder / IMAGES).is_dir()]
    return [INPUT, *kept, *([TRUTH] if stage.has_ground_truth else [])] if stage is not None else kept


Coded = dict[str, list[str | None]]
"""Base64 WebP by id, in the order of `sources`."""


def pictures(runs: Runs, stage: Stage | None, interest: Sequence[str], sizes: Sizes) -> tuple[Coded, Coded]:
    """Small and large pictures of the images that come first in `interest`, which names all."""
    shown = sources(runs, stage)
    small: Coded = {}
    large: Coded = {}
    more = False
    room, room_of_small = sizes.page, min(sizes.page, sizes.smalls)
    with Progress("pictures", total=len(interest)) as progress:
        for image_id in interest:
            images = images_of(runs, stage, image_id)
            found = [images.get(name) for name in shown]
            row = [_coded(image, sizes.small, sizes.small_quality) for image in found]
            room_of_small -= _bytes(row)
            if room_of_small < 0:
                break
            more = more or any(image is not None and max(image.shape) > sizes.small for image in found)
            small[image_id] = row
            room -= _bytes(row)
            progress.advance(1)
    for image_id in small if more else ():
        images = images_of(runs, stage, image_id)
        row = [_coded(images.get(name), sizes.large, sizes.large_quality) for name in shown]
        room -= _bytes(row)
        if room < 0:
            break
        large[image_id] = row
    return small, large


def _bytes(row: Sequence[str | None]) -> int:
    return sum(len(code) for code in row if code)


def images_of(runs: Runs, stage: Stage | None, image_id: str) -> dict[str, U8Image]:
    """Everything there is to see of one image, by source."""
    found = {run.name: run.picture(image_id) for run in runs.runs}
    if stage is not None:
        from bfrbench.bench.inputs import prepare

        prepared = prepare(stage, image_id)
        if prepared.digest != runs.inputs[image_id]:
            problem = f"image {image_id!r} is not what the runs saw"
            raise InputError(problem, "use the data set that they were run on, or run them again")
        found |= {INPUT: prepared.lq, TRUTH: prepared.gt}
    return {name: image for name, image in found.items() if image is not None}


def _coded(image: U8Image | None, side: int, quality: int) -> str | None:
    if image is None:
        return None
    from PIL import Image

    picture = Image.fromarray(image)
    if max(picture.size) > side:
        picture.thumbnail((side, side), Image.Resampling.LANCZOS)
    out = io.BytesIO()
    picture.save(out, "WEBP", quality=quality, method=4)
    return base64.b64encode(out.getvalue()).decode()
