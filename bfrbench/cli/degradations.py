"""`bfrbench degradations`: what recipes there are, what is in them, and whether two sets are the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cyclopts

from bfrbench.cli.output import Json, print_json, print_table

app = cyclopts.App(name="degradations", help="List and show degradation recipes; compare low-quality sets.")


@app.command(name="list")
def list_(*, json: Json = False) -> None:
    """List the recipes that are shipped and those of plugins. Each also exists as name@size."""
    from bfrbench.degradations import load_recipe, shipped_names
    from bfrbench.plugins import PluginHost

    host = PluginHost()
    rows: list[dict[str, Any]] = [
        {"name": r.name, "size": r.reference_size, "summary": r.summary, "source": r.source, "digest": r.digest}
        for r in (load_recipe(name, host) for name in shipped_names())
    ]
    for name, owned in host.degradations().items():
        rows.append({"name": name, "size": None, "summary": owned.spec.summary, "source": owned.plugin, "digest": None})
    if json:
        print_json(rows)
        return
    columns = ("name", "size", "summary", "source")
    print_table(columns, [[row[column] or "" for column in columns] for row in rows])


@app.command
def show(name: str, /, *, seed: int = 0, image: str = "00000", toml: bool = False, json: Json = False) -> None:
    """Show the steps of a recipe, its digest, and what it draws for one image.

    Parameters
    ----------
    name
        A name, name@size, TOML file, plugin's recipe, given:FOLDER or draws:FILE.
    seed
        Seed of the example draw.
    image
        Image id of the example draw.
    toml
        Print the recipe as a TOML file of its own (for name@size: with all numbers scaled).
    """
    from bfrbench.degradations import Recipe, load_recipe
    from bfrbench.degradations.draws import to_plain
    from bfrbench.degradations.grammar import plain_steps
    from bfrbench.degradations.toml import to_toml
    from bfrbench.errors import UsageError

    recipe = load_recipe(name)
    if not isinstance(recipe, Recipe):
        raise UsageError(f"{name} is not written in TOML and has no steps to show", "ask for another recipe")
    draw = recipe.draw(seed, image)
    if toml:
        print(to_toml(recipe), end="")
        return
    steps = plain_steps(recipe.steps)
    if json:
        head = {"name": recipe.name, "summary": recipe.summary, "source": recipe.source}
        print_json(
            {
                **head,
                "reference_size": recipe.reference_size,
                "digest": recipe.digest,
                "step": steps,
                "example": {**to_plain(draw), "seed": seed, "severity": recipe.severity(draw)},
            }
        )
        return
    print(f"{recipe.name}: {recipe.summary}\nsource: {recipe.source}\nfor images of {recipe.reference_size} px")
    print(f"digest: {recipe.digest}")
    print_table(("step", "parameters"), [row for step in steps for row in _rows(step)])
    print(f"seed {seed}, image {image!r}: severity {recipe.severity(draw):.3f}")
    print_table(("step", "drawn"), [[op.name, _written(op.args)] for op in draw.ops])


@app.command
def compare(first: Path, second: Path, /, *, json: Json = False) -> int:
    """Compare two low-quality sets: equal, near (at most 1/255 in at most 0.1 % of pixels) or different (exit 3).

    Parameters
    ----------
    first
        Folder of images.
    second
        Folder of images with the same ids.
    """
    from dataclasses import asdict

    from bfrbench.degradations.equality import compare_folders
    from bfrbench.errors import NotComparable

    found = compare_folders(first, second)
    if json:
        print_json(asdict(found))
    else:
        print(
            f"{found.verdict}: {found.images} images, largest difference {found.levels}/255"
            f"{f' ({found.worst})' if found.worst else ''}, {found.share:.4%} of pixels differ, "
            f"{len(found.missing)} ids without a partner of the same size"
        )
    return NotComparable.exit_code if found.verdict == "different" else 0


def _rows(step: dict[str, Any], indent: str = "") -> list[list[str]]:
    """A step as a row; below a choice, each branch and its steps."""
    branches = step.pop("branch", [])
    rows = [[indent + step.pop("op"), _written(step)]]
    for branch in branches:
        rows.append([f"{indent}  branch", _written({"weight": branch["weight"]})])
        rows += [row for inner in branch["steps"] for row in _rows(dict(inner), f"{indent}    ")]
    return rows


def _written(values: Any) -> str:
    def one(value: Any) -> str:
        if isinstance(value, dict):
            return "{" + _written(value) + "}"
        if isinstance(value, (list, tuple)):
            return "[" + ", ".join(one(inner) for inner in value) + "]"
        return f"{value:g}" if isinstance(value, float) else str(value)

    return ", ".join(f"{key} {one(value)}" for key, value in values.items())
