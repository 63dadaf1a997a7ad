"""One picture of recipes: a face under rising severity, one row a recipe."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from bfrbench.degradations.recipe import Recipe

if TYPE_CHECKING:
    from bfrbench.contracts import Draw, U8Image

COLUMNS = 5
_DRAWS = 65
_TILE = 160
_LABEL = 18


def preview(image: U8Image, recipes: Sequence[Recipe], *, seed: int = 0) -> U8Image:
    """The sharp image, then `COLUMNS` draws from the mildest to the hardest of many, for each recipe."""
    from PIL import Image, ImageDraw

    width, height = _TILE * (COLUMNS + 1), (_TILE + _LABEL) * len(recipes)
    sheet = Image.new("RGB", (width, height), "white")
    pen = ImageDraw.Draw(sheet)
    for row, recipe in enumerate(recipes):
        top = row * (_TILE + _LABEL)
        pen.text((4, top + 3), f"{recipe.name}   severity:", fill="black")
        sheet.paste(_tile(image), (0, top + _LABEL))
        for column, draw in enumerate(rising(recipe, seed), 1):
            pen.text((column * _TILE + 4, top + 3), f"{recipe.severity(draw):.2f}", fill="black")
            sheet.paste(_tile(recipe.apply(image, draw).lq), (column * _TILE, top + _LABEL))
    return np.asarray(sheet)


def rising(recipe: Recipe, seed: int) -> list[Draw]:
    """Draws at even steps of the order of severity."""
    draws = sorted((recipe.draw(seed, f"preview-{i}") for i in range(_DRAWS)), key=recipe.severity)
    return [draws[i * (_DRAWS - 1) // (COLUMNS - 1)] for i in range(COLUMNS)]


def _tile(image: U8Image) -> Any:
    from PIL import Image

    return Image.fromarray(image).resize((_TILE, _TILE), Image.Resampling.BOX)
