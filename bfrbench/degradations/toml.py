"""Writes a recipe as the TOML file that reads back as itself: how a scaled recipe gets a file of its own."""

from __future__ import annotations

import json
from typing import Any

from bfrbench.degradations.grammar import plain_steps
from bfrbench.degradations.recipe import Recipe


def to_toml(recipe: Recipe) -> str:
    lines = [
        f"# {recipe.name}, digest {recipe.digest}",
        f"summary = {_value(recipe.summary)}",
        f"source = {_value(recipe.source)}",
        f"reference_size = {recipe.reference_size}",
    ]
    for step in plain_steps(recipe.steps):
        lines += ["", "[[step]]", *(f"{key} = {_value(value)}" for key, value in step.items())]
    return "\n".join(lines) + "\n"


def _value(value: Any) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {_value(inner)}" for key, inner in value.items()) + " }"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(_value(inner) for inner in value) + "]"
    return json.dumps(value, ensure_ascii=False)
