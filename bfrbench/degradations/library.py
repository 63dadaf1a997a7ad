"""Where recipes are found: shipped files, a user's own file, plugins, given images and stored draws.

`name@size` is any of the first three scaled to another image size.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bfrbench.config import read_toml
from bfrbench.contracts import Draw
from bfrbench.degradations.draws import Replay
from bfrbench.degradations.given import Given
from bfrbench.degradations.recipe import Recipe
from bfrbench.errors import ConfigError, PluginError, UnknownName, UsageError
from bfrbench.plugins import Owned, PluginHost
from bfrbench.specs import DegradationSpec

_SHIPPED = Path(__file__).with_name("recipes")


def shipped_names() -> list[str]:
    return sorted(path.stem for path in _SHIPPED.glob("*.toml"))


def load_recipe(reference: str | Path, host: PluginHost | None = None) -> Any:
    """The recipe of that name, file (`*.toml`), plugin id, `given:FOLDER` or `draws:FILE`.

    The result has `name`, `digest`, `draw` and `apply`; recipes written in TOML (all but those that a plugin
    makes from code, given images and stored draws) are `Recipe`.
    """
    text = str(reference)
    if text == "given" or text.startswith("given:"):
        return Given.open(text.removeprefix("given").removeprefix(":"))
    if text.startswith("draws:"):
        return Replay.open(text.removeprefix("draws:"))
    name, _, size = text.rpartition("@") if _is_sized(text) else (text, "", "")
    recipe = _find(name, host)
    if not size:
        return recipe
    if not isinstance(recipe, Recipe):
        raise UsageError(f"{text}: {name} is made by a plugin's code and has no sizes", f"use {name}")
    return recipe.scaled(int(size))


def severity_of(recipe: Any, draw: Draw) -> float | None:
    """How hard a draw is, by its recipe's ranges; None for released images, stored draws and code, which have none."""
    return recipe.severity(draw) if hasattr(recipe, "severity") else None


def _is_sized(text: str) -> bool:
    return text.rpartition("@")[0] != "" and text.rpartition("@")[2].isdecimal()


def _find(name: str, host: PluginHost | None) -> Any:
    shipped = _SHIPPED / f"{name}.toml"
    if shipped.parent == _SHIPPED and "/" not in name and shipped.is_file():
        return Recipe.read(name, read_toml(shipped), shipped.name)
    if name.endswith(".toml"):
        path = Path(name).expanduser()
        return Recipe.read(path.stem, read_toml(path), name)
    host = host or PluginHost()
    offered = host.degradations()
    if name not in offered:
        raise UnknownName("recipe", name, {*shipped_names(), *offered})
    return _from_plugin(offered[name])


def _from_plugin(owned: Owned[DegradationSpec]) -> Any:
    spec, where = owned.spec, f"recipe {owned.spec.id!r} of plugin {owned.plugin!r}"
    if spec.recipe:
        try:
            data: Mapping[str, Any] = tomllib.loads(spec.recipe)
        except tomllib.TOMLDecodeError as error:
            raise ConfigError(f"{where} is not TOML ({error})", "tell the plugin's author") from error
        return Recipe.read(spec.id, dict(data), where)
    import importlib

    module, _, attribute = spec.target.partition(":")
    try:
        made = getattr(importlib.import_module(module), attribute)()
    except Exception as error:
        raise PluginError(f"{where} cannot be made ({type(error).__name__}: {error})", "tell its author") from error
    lacking = [part for part in ("digest", "draw", "apply") if not hasattr(made, part)]
    if lacking:
        raise PluginError(f"{where} lacks {', '.join(lacking)}", "tell the plugin's author")
    return made
