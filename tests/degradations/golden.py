"""Digests of draws and of low-quality pixels, written down once; `python tests/degradations/golden.py` shows them.

The pixels belong to the codecs that made them: `codecs` names those, and other ones make other digests.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from bfrbench.degradations import apply, load_recipe, shipped_names
from bfrbench.degradations.draws import to_plain
from bfrbench.digests import of_array, of_data

FILE = Path(__file__).with_name("golden.json")
SIZE = (96, 80)


def made_up(height: int, width: int) -> Any:
    """Smooth shapes, edges and some texture, by whole numbers only."""
    y, x = np.mgrid[0:height, 0:width]
    disc = ((x - width // 2) ** 2 + (y - height // 2) ** 2 < (min(height, width) // 3) ** 2) * 70
    red = 40 + (x * 150) // width + disc // 2
    green = 30 + (y * 140) // height + disc
    blue = 60 + ((x + y) * 90) // (width + height) + ((x * 7 + y * 13) % 23)
    return np.clip(np.stack([red, green, blue], 2), 0, 255).astype(np.uint8)


def golden() -> Any:
    return json.loads(FILE.read_text())


def codecs() -> dict[str, str]:
    import cv2
    from PIL import features

    jpeg = next(line for line in cv2.getBuildInformation().splitlines() if line.strip().startswith("JPEG:"))
    return {"opencv": cv2.__version__, "jpeg": jpeg.split(":", 1)[1].strip(), "webp": str(features.version("webp"))}


def draws() -> dict[str, str]:
    return {name: of_data(to_plain(load_recipe(name).draw(0, "00001"))) for name in shipped_names()}


def pixels() -> dict[str, str]:
    image = made_up(*SIZE)
    labels = (image[..., 0] % 19).astype("uint8")
    found = {}
    for name in shipped_names():
        recipe = load_recipe(f"{name}@128")
        found[name] = of_array(apply(image, recipe.draw(0, "00001"), labels=labels).lq)
    return found


if __name__ == "__main__":
    print(json.dumps({"codecs": codecs(), "draws": draws(), "pixels": pixels()}, indent=1))
