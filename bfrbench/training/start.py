"""From a recipe's name and the user's words to a training: resolve, build, resume, train, write the result."""

from __future__ import annotations

import importlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bfrbench import atomic, digests
from bfrbench.config import parse
from bfrbench.errors import PluginError, UsageError
from bfrbench.plugins import PluginHost
from bfrbench.training.config import RecipeFile, resolve

if TYPE_CHECKING:
    import torch

    from bfrbench.degradations import Recipe
    from bfrbench.training.feeding import Faceset, Pairs
    from bfrbench.training.folder import Change, Seen
    from bfrbench.training.ranks import Ranks
    from bfrbench.training.task import Labeller, Task
    from bfrbench.training.validation import Validation


_BESIDE = (
    *("workers", "cache", "unreadable", "log_every", "checkpoint_every", "keep_last", "milestone_every"),
    *("sample_every", "samples", "validate_every"),
)
"""Settings of a run that change nothing of what is learnt."""


@dataclass(frozen=True)
class Order:
    """What the user asked for, resolved: everything that a training depends on."""

    recipe: RecipeFile
    target: str
    plugin: str
    data: tuple[tuple[str, float], ...]
    """References of data sets, each with its share."""
    validation: str | None
    device: str

    def plain(self) -> dict[str, Any]:
        """As JSON, for `--dry-run` and for the run's folder."""
        return {
            "recipe": self.recipe.model_dump(mode="json"),
            "target": self.target,
            "plugin": self.plugin,
            "data": [list(pair) for pair in self.data],
            "validation": self.validation,
            "device": self.device,
        }

    @property
    def essence(self) -> dict[str, Any]:
        """What makes two trainings the same; where and how fast they run, and what they say and keep, does not count.
        Nor does their length, but where the task has stages that are shares of it."""
        plain = self.plain()
        plain.pop("device")
        staged = _task_class(self.target, self.plugin).staged
        for name in _BESIDE if staged else (*_BESIDE, "images"):
            plain["recipe"]["run"].pop(name)
        return plain

    @property
    def digest(self) -> str:
        return digests.of_data(self.essence)


def order_again(plain: dict[str, Any], where: str) -> Order:
    """An order from its JSON; settings that came later than it have their defaults, which changed nothing."""
    task = _task_class(plain["target"], plain["plugin"])
    recipe = parse(plain["recipe"], RecipeFile, where=where)
    settings = parse(dict(recipe.task), task.Settings, where=f"{where}, [task]")
    recipe = recipe.model_copy(update={"task": settings.model_dump(mode="json")})
    data = tuple((name, share) for name, share in plain["data"])
    return Order(recipe, plain["target"], plain["plugin"], data, plain["validation"], plain["device"])


def order(
    recipe: str,
    data: Sequence[str],
    *,
    validation: str | None = None,
    files: Iterable[Path] = (),
    sets: Iterable[str] = (),
    device: str = "cpu",
    host: PluginHost | None = None,
) -> Order:
    """Resolve a recipe's id (`gpen-finetune`, `gpen-finetune@128`) and the user's settings, the task's too."""
    name, at, size = recipe.partition("@")
    if at and not size.isdecimal():
        raise UsageError(f"the size in {recipe!r} is no number", f"write for example {name}@128")
    owned = (host or PluginHost()).training_recipe(name)
    side = int(size) if at else None
    resolved = resolve(owned.spec.config, where=f"recipe {recipe!r}", size=side, files=files, sets=sets)
    task = _task_class(owned.spec.target, owned.plugin)
    settings = parse(dict(resolved.task), task.Settings, where=f"recipe {recipe!r}, [task]")
    resolved = resolved.model_copy(update={"task": settings.model_dump(mode="json")})
    if not data:
        raise UsageError("no data set is given", "name one with --data")
    return Order(resolved, owned.spec.target, owned.plugin, tuple(map(_shared, data)), validation, device)


def preview(what: Order) -> dict[str, Any]:
    """For `--dry-run`: build and open everything as one process does that starts, so that what would fail there fails
    here."""
    import torch

    from bfrbench.data import open_dataset
    from bfrbench.training import lineage
    from bfrbench.training.foresight import micro_batch

    faces, whole = _faces(what), sum(share for _, share in what.data)
    reads: list[dict[str, Any]] = [
        {"data": name, "for": "training", "images": len(samples), "share": share / whole}
        for (name, share), samples in zip(what.data, faces.sets, strict=True)
    ]
    if what.validation:
        held, count = open_dataset(what.validation), what.recipe.run.validation_images
        reads.append({"data": what.validation, "for": "validation", "images": min(count, len(held))})
    recipe, task = _degradation(what.recipe), _build(what, torch.device("cpu"))
    lineage.origin(what.recipe)
    _foresee(what, task, recipe, task.labeller(faces.sets), micro_batch(what.recipe.run, 1))
    networks = task.networks
    return {"reads": reads, "parameters": {n: sum(p.numel() for p in net.parameters()) for n, net in networks.items()}}


def train(
    what: Order, out: Path, *, resume: bool = False, change: bool = False, host: PluginHost | None = None
) -> Path:
    """Run the training to its end and give the path of the weights file.

    A resume with other settings than before is refused, unless `change` asks for it.
    """
    from bfrbench.training import checkpoint, folder, lineage
    from bfrbench.training.feeding import Feed
    from bfrbench.training.foresight import micro_batch
    from bfrbench.training.journal import Journal
    from bfrbench.training.loop import Trainer, conditions
    from bfrbench.training.ranks import ranks

    host = host or PluginHost()
    with ranks(what.device) as (me, device):
        place, changes = _place_to_go_on(what, out, resume=resume, change=change)
        me.wait()
        task = _build(what, device, fresh=place is None)
        origin = lineage.origin(what.recipe) if place is None else folder.origin(out)
        before = folder.seen(out) if place else folder.Seen()
        own = folder.Seen(tuple(name for name, _ in what.data), task.loss_networks)
        seen = own.then(before.data, before.loss_networks)
        run, recipe = what.recipe.run, _degradation(what.recipe)
        faces = _faces(what)
        labeller = task.labeller(faces.sets)
        _foresee(what, task, recipe, labeller, micro_batch(run, me.world))
        feed = Feed(_pairs(what, recipe, task, faces, labeller, me, out), run, me, device)
        validation = _validation(what, recipe, task, faces, device) if me.first else None
        journal = Journal(out, run, host, active=me.first, validation=validation)
        if me.first:
            folder.claim(out, what.plain(), what.digest, changes, origin, seen)
        trainer = Trainer(task, run, feed, me, device, journal, out)
        if place is not None:
            _say_differences(trainer.resume(place), conditions(run, me, device), first=me.first)
        try:
            trainer.train()
        except KeyboardInterrupt:
            kept = checkpoint.all_of(out)
            images = int(kept[-1].name) if kept else 0
            raise KeyboardInterrupt(f"the same command with --resume goes on from {images} images") from None
        result = out / "result.safetensors"
        if me.first:
            _write_result(result, what, task, trainer, changes, origin, seen)
        return result


def _place_to_go_on(what: Order, out: Path, *, resume: bool, change: bool) -> tuple[Path | None, list[Change]]:
    """The checkpoint to go on from and what changed on the way, if the folder is this training's."""
    from bfrbench.training import folder

    if not resume:
        folder.refuse_taken(out)
        return None, []
    before = order_again(folder.ordered(out), f"the order of {out}").essence
    return folder.to_go_on(out, what.essence, before, change=change)


def _shared(reference: str) -> tuple[str, float]:
    """`lfw128:train` or `studio-train@0.3`: a data set and its share."""
    name, at, share = reference.rpartition("@")
    if not at:
        return reference, 1.0
    try:
        return name, float(share)
    except ValueError as error:
        raise UsageError(f"the share in {reference!r} is no number", "write for example studio-train@0.3") from error


def _task_class(target: str, plugin: str) -> Any:
    module, _, name = target.partition(":")
    try:
        return getattr(importlib.import_module(module), name)
    except Exception as error:
        problem = f"the training recipe's target {target!r} of plugin {plugin!r} cannot be loaded ({error})"
        raise PluginError(problem, "mend the plugin") from error


def _build(what: Order, device: torch.device, *, fresh: bool = True) -> Task:
    import torch

    from bfrbench.training import checkpoint
    from bfrbench.training.task import TaskContext

    run = what.recipe.run
    torch.manual_seed(run.seed)
    from_prior = fresh and run.weights is None
    context = TaskContext(what.recipe.size, what.recipe.task, device, run.batch, run.images, run.compile, from_prior)
    task: Task = _task_class(what.target, what.plugin)(context)
    if fresh and run.weights is not None:
        checkpoint.fill(task.networks[task.averaged], Path(run.weights))
    if (what.recipe.degradation is None) != (task.views == 0):
        needs = "pairs: name a degradation" if task.views else "sharp images alone: name no degradation"
        raise UsageError(f"recipe {what.recipe.id!r} trains on {needs}", "set degradation in the recipe")
    return task


def _foresee(what: Order, task: Task, recipe: Recipe | None, labeller: Labeller | None, micro: int) -> None:
    from bfrbench.training.foresight import refuse_best_by, refuse_groups, refuse_moving_targets

    refuse_groups(task, micro)
    if recipe is not None:
        refuse_moving_targets(task, recipe, labelled=labeller is not None)
    if what.validation and what.recipe.degradation is not None:
        refuse_best_by(what.recipe.run)


def _degradation(recipe: RecipeFile) -> Recipe | None:
    from bfrbench.degradations import load_recipe

    return load_recipe(recipe.degradation) if recipe.degradation else None


def _faces(what: Order) -> Faceset:
    """The data sets, opened: nothing of them is read yet but ids."""
    from bfrbench.data import open_dataset
    from bfrbench.training.feeding import Faceset

    run = what.recipe.run
    names, shares = [name for name, _ in what.data], [share for _, share in what.data]
    sets = [open_dataset(name) for name in names]
    return Faceset(sets, shares, size=what.recipe.size, seed=run.seed, flip=run.flip, names=names)


def _pairs(
    what: Order,
    recipe: Recipe | None,
    task: Task,
    faces: Faceset,
    labeller: Labeller | None,
    me: Ranks,
    out: Path,
) -> Pairs:
    from bfrbench.training.feeding import Pairs

    run = what.recipe.run
    if run.cache != "none":
        faces.keep(out / "cache" / f"rank-{me.rank}" if run.cache == "disk" else None)
    return Pairs(faces, recipe, task.views, apply=run.degrade_on == "workers", labeller=labeller)


def _validation(what: Order, recipe: Any, task: Task, faces: Faceset, device: torch.device) -> Validation:
    """Where nothing is held out, the first training set is what there is to show."""
    from bfrbench.data import open_dataset
    from bfrbench.training.validation import Validation

    run = what.recipe.run
    samples = open_dataset(what.validation) if what.validation else faces.sets[0]
    return Validation(
        samples,
        recipe,
        size=what.recipe.size,
        count=run.validation_images if what.validation else run.samples,
        shown=run.samples,
        protocol=run.protocol if what.validation else None,
        device=device,
        labeller=task.labeller([samples]) if task.shows_labels else None,
    )


def _say_differences(before: dict[str, Any], now: dict[str, Any], *, first: bool) -> None:
    import sys

    changed = [f"{name} {before.get(name)!r} → {value!r}" for name, value in now.items() if before.get(name) != value]
    if changed and first:
        print(
            f"resumed under other conditions ({'; '.join(changed)}): equal within rounding, not to the bit",
            file=sys.stderr,
        )


def _write_result(
    path: Path,
    what: Order,
    task: Task,
    trainer: Any,
    changes: list[Change],
    origin: dict[str, Any] | None,
    seen: Seen,
) -> None:
    """The weights as the restorer reads them, and a card of what they rest on."""
    from safetensors.torch import save_file

    import bfrbench
    from bfrbench.training import checkpoint
    from bfrbench.training.card import write_card

    tensors = {name: value.detach().contiguous().cpu() for name, value in task.result(trainer.average.network).items()}
    with atomic.landing(path) as part:
        # One entry: safetensors writes several in an order that changes from process to process.
        header = {"recipe": what.recipe.id, "order": what.digest, "images": trainer.clock.images}
        header["network"] = task.describe()
        save_file(tensors, part, metadata={"training": json.dumps(header, sort_keys=True)})
    facts = {
        "name": path.stem,
        "file": path.name,
        "sha256": digests.of_file(path),
        "size": path.stat().st_size,
        "recipe": what.recipe.id,
        "order": what.digest,
        "images": trainer.clock.images,
        "checkpoint": checkpoint.folder(path.parent, trainer.clock.images).name,
        "bad_steps": trainer.clock.bad_steps,
        "bfrbench": bfrbench.__version__,
        "loss_networks": list(dict.fromkeys([*seen.loss_networks, *(origin or {}).get("loss_networks", [])])),
        "changed": [f"at {each['at']:,} images: {', '.join(each['what'])}" for each in changes],
    }
    write_card(path, facts, seen.data, origin)
