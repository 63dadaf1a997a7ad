"""`bfrbench train`: train a recipe, resume it, draw its curves."""

from __future__ import annotations

from dataclasses import replace
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
    device: str | None = None,
    dry_run: bool = False,
    plot: Path | None = None,
    export: Path | None = None,
) -> None:
    """Train a recipe. Under torchrun the same command uses every process.

    Parameters
    ----------
    recipe
        A training recipe's id, at another size as `id@128`; without one, the recipes are listed, or with --resume the
        training in the folder goes on as it was started.
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
        cpu or cuda (default: cpu; with --resume alone, where the training was).
    dry_run
        Build and open everything as a start does, print the settings and what would be read, and stop.
    plot
        Draw the curves of a run's folder and stop.
    export
        Write the weights file and card of a run's last checkpoint, or of RUN/checkpoints/NUMBER, to --out and stop.
    """
    if plot is not None:
        from bfrbench.training.plot import draw

        print(f"wrote {draw(plot)}")
        return
    from bfrbench.cli.output import print_json
    from bfrbench.training import start
    from bfrbench.training.order import Order

    if export is not None:
        if out is None or out.suffix != ".safetensors":
            raise UsageError("the weights need a file to be written to", "name one with --out NAME.safetensors")
        print(f"wrote {start.export(export, out)} and its card {out.with_suffix('.toml')}")
        return
    settings = (*(data or ()), *(config or ()), *(set_ or ()), validation)
    if recipe is not None:
        what = Order.of(
            recipe, data or (), validation=validation, files=config or (), sets=set_ or (), device=device or "cpu"
        )
    elif resume and out is not None and not any(settings):
        what = start.ordered(out)
        what = replace(what, device=device or what.device)
    elif resume or out is not None or any(settings):
        raise UsageError(
            "no recipe is named", "name one first ('bfrbench train' lists them); --resume --out RUN alone goes on"
        )
    else:
        _list()
        return
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
