"""Training recipes as specs, from TOML files beside the code that they configure."""

from __future__ import annotations

import tomllib
from importlib.resources import files

from bfrbench.specs import TrainingRecipeSpec


def recipe_specs(package: str, folder: str, target: str, names: tuple[str, ...]) -> list[TrainingRecipeSpec]:
    """One spec for each `folder/NAME.toml` of a package."""
    texts = [files(package).joinpath(folder, f"{name}.toml").read_text(encoding="utf-8") for name in names]
    summaries = [tomllib.loads(text)["summary"] for text in texts]
    return [
        TrainingRecipeSpec(id=name, target=target, summary=summary, config=text)
        for name, summary, text in zip(names, summaries, texts, strict=True)
    ]
