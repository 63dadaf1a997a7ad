"""Pictures for a page: small ones of every image, larger ones of those that are looked at first."""

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


def sources(runs: Runs, stage: Stage | None) -> list[str]:
    """What is shown of each image, left to right."""
    kept = [run.name for run in runs.runs if (run.folder / IMAGES).is_dir()]
    return [INPUT, *kept, *([TRUTH] if stage.has_ground_truth else [])] if stage is not None else kept


def pictures(
    runs: Runs, stage: Stage | None, large: Sequence[str], sizes: Sizes
) -> tuple[dict[str, list[str | None]], dict[str, list[str | None]]]:
    """Small pictures of every image, and large ones of some: base64 WebP by id, in the order of `sources`."""
    shown, wanted = sources(runs, stage), set(large)
    small: dict[str, list[str | None]] = {}
    big: dict[str, list[str | None]] = {}
    with Progress("pictures", total=len(runs.ids)) as progress:
        for image_id in runs.ids:
            images = images_of(runs, stage, image_id)
            row = [images.get(name) for name in shown]
            small[image_id] = [_coded(image, sizes.small, sizes.small_quality) for image in row]
            if image_id in wanted and any(image is not None and max(image.shape) > sizes.small for image in row):
                big[image_id] = [_coded(image, sizes.large, sizes.large_quality) for image in row]
            progress.advance(1)
    return small, big


def images_of(runs: Runs, stage: Stage | None, image_id: str) -> dict[str, U8Image]:
    """Everything there is to see of one image, by source."""
    found = {run.name: run.picture(image_id) for run in runs.runs}
    if stage is not None:
        from bfrbench.bench.inputs import prepare

        prepared = prepare(stage, image_id)
        row = runs.ids.index(image_id)
        if prepared.digest != runs.column(runs.first, "input")[row]:
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
