"""A callable for `datasets.Dataset.map`: adds the low-quality image, the draw and its severity to a row."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bfrbench.degradations.draws import ops_json
from bfrbench.degradations.library import load_recipe, severity_of
from bfrbench.errors import UsageError


class Degrade:
    """`dataset.map(Degrade("gfpgan", seed=0))`; rows have an `id` and an `image`.

    The pixels are those of `bfrbench degrade`, whatever `num_proc` and batch size.
    """

    def __init__(self, recipe: str, seed: int, *, view: int = 0, image: str = "image", image_id: str = "id") -> None:
        self.recipe, self.seed, self.view = load_recipe(recipe), seed, view
        self.image, self.image_id = image, image_id

    def __call__(self, row: Mapping[str, Any]) -> dict[str, Any]:
        from PIL import Image

        draw = self.recipe.draw(self.seed, str(row[self.image_id]), view=self.view)
        pair = self.recipe.apply(_pixels(row[self.image]), draw)
        return {
            "lq": Image.fromarray(pair.lq),
            "gt": Image.fromarray(pair.gt),
            "draw": ops_json(draw),
            "severity": severity_of(self.recipe, draw),
        }


def _pixels(value: Any) -> Any:
    import numpy as np
    from PIL import Image

    if isinstance(value, dict):
        from bfrbench.imaging.read import decode_image, read_image

        return decode_image(value["bytes"], str(value["path"])) if value["bytes"] else read_image(value["path"])
    if isinstance(value, Image.Image) and (value.mode not in ("RGB", "L") or "transparency" in value.info):
        problem = f"an image of mode {value.mode} is not read as files are"
        raise UsageError(problem, "cast the column: dataset.cast_column(NAME, datasets.Image(decode=False))")
    return np.asarray(value.convert("RGB") if isinstance(value, Image.Image) else value, np.uint8)
