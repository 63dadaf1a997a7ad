"""`bfrbench train`: train a recipe, resume it, draw its curves."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import cyclopts

from bfrbench.errors import UsageError


def train(
    recipe: str | None = None,
    /,
    *,
    data: Annotated[list[str] | None, cyclopts.Parameter(name="--data")] = None,
    out: Path | None = None,
    validation: str | None = None,
    config: Annotated[list[Path] | None, cyclopts.Parameter(name="--config")] = None,
    set_: Annotated[list[str] | None, cyclopts.Parameter(name="--set")] = None,
    resume: bool = False,
    change: bool = False,
    device: str = "cpu",
    dry_run: bool = False,
    plot: Path | None = None,
) -> None:
    """Train a recipe. Under torchrun the same command uses every process.

    Parameters
    ----------
    recipe
        A training recipe's id, at another size as `id@128`; without one, the recipes are listed.
    data
        Data set to train on, with its share where there are several: `lfw128:train`, `studio-train@0.3`.
    out
        Folder of the run.
    validation
        Data set to score and show results on; its draws are frozen.
    config
        TOML file laid over the recipe.
    set_
        One setting, key=value: `run.batch=8`, `task.lr=0.001`.
    resume
        Go on from the last checkpoint of the folder.
    change
        With --resume: other settings than before (a lower rate, say) are taken from here on, and noted on the card.
    device
        cpu or cuda.
    dry_run
        Build and open everything as a start does, print the settings and what would be read, and stop.
    plot
        Draw the curves of a run's folder and stop.
    """
    if plot is not None:
        from bfrbench.training.plot import draw

        print(f"wrote {draw(plot)}")
        return
    if recipe is None:
        _list()
        return
    from bfrbench.cli.output import print_json
    from bfrbench.training import start
    from bfrbench.training.order import Order

    what = Order.of(recipe, data or (), validation=validation, files=config or (), sets=set_ or (), device=device)
    if dry_run:
        print_json({"digest": what.digest, **what.plain(), **start.preview(what)})
        return
    if out is None:
        raise UsageError("no folder is given for the run", "name one with --out")
    result = start.train(what, out, resume=resume, change=change)
    print(f"wrote {result} and its card {result.with_suffix('.toml')}")


def _list() -> None:
    from bfrbench.cli.output import print_table
    from bfrbench.plugins import PluginHost

    recipes = PluginHost().training_recipes().values()
    print_table(("recipe", "plugin", "what it trains"), [(o.spec.id, o.plugin, o.spec.summary) for o in recipes])
