"""From an order to a training: open and build what it names, resume, train, write the result."""

from __future__ import annotations

import json
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bfrbench import atomic, digests
from bfrbench.errors import UsageError
from bfrbench.plugins import PluginHost
from bfrbench.training.order import Order

if TYPE_CHECKING:
    import torch
    from torch import nn

    from bfrbench.degradations import Recipe
    from bfrbench.training.feeding import Faceset, Pairs
    from bfrbench.training.folder import Change, Seen
    from bfrbench.training.loop import Clock
    from bfrbench.training.ranks import Ranks
    from bfrbench.training.task import Labeller, Task
    from bfrbench.training.validation import Validation


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
    recipe, task = _degradation(what), build(what, torch.device("cpu"))
    lineage.origin(what.recipe.run.weights, task.started_from)
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
    with ranks(what.device) as (me, device), folder.alone(out) if me.first else nullcontext():
        place, changes = _place_to_go_on(what, out, resume=resume, change=change)
        me.wait()
        task = build(what, device, fresh=place is None)
        origin = lineage.origin(what.recipe.run.weights, task.started_from) if place is None else folder.origin(out)
        before = folder.seen(out) if place else folder.Seen()
        own = folder.Seen(tuple(name for name, _ in what.data), task.loss_networks)
        seen = own.then(before.data, before.loss_networks)
        run, recipe = what.recipe.run, _degradation(what)
        faces = _faces(what)
        labeller = task.labeller(faces.sets)
        _foresee(what, task, recipe, labeller, micro_batch(run, me.world))
        feed = Feed(_pairs(what, recipe, task, faces, labeller, me, out), run, me, device)
        validation = _validation(what, recipe, task, faces, device) if me.first else None
        journal = Journal(out, run, host, active=me.first, validation=validation)
        trainer = Trainer(task, run, feed, me, device, journal, out)
        if place is not None:
            _say_differences(trainer.resume(place), conditions(run, me, device), first=me.first)
        if me.first:  # what cannot go on from its checkpoint leaves the folder as it was
            folder.claim(out, what.plain(), what.digest, changes, origin, seen)
        try:
            trainer.train()
        except KeyboardInterrupt:
            kept = checkpoint.all_of(out)
            images = int(kept[-1].name) if kept else 0
            raise KeyboardInterrupt(f"the same command with --resume goes on from {images} images") from None
        result = out / "result.safetensors"
        if me.first:
            sizes = {name: {"images": len(samples)} for name, samples in zip(faces.names, faces.sets, strict=True)}
            _write_result(result, what, task, trainer.average.network, trainer.clock, changes, origin, seen, sizes)
            if trainer.clock.bad_steps:
                _say(f"{trainer.clock.bad_steps} phases of {trainer.clock.steps} steps were skipped: NaN or infinity")
        return result


def ordered(out: Path) -> Order:
    """What the training in a folder was started with, or changed to."""
    from bfrbench.training import folder

    return Order.again(folder.ordered(out), f"the order of {out}")


def export(place: Path, out: Path) -> Path:
    """The weights file and card of a checkpoint, as the end of its training would write them; of a run its last."""
    import torch

    from bfrbench.training import checkpoint, folder
    from bfrbench.training.loop import Clock

    kept = checkpoint.at(place, "a run of bfrbench train")
    run = checkpoint.run_of(kept)
    if run is None:
        raise UsageError(f"{kept} is not in its run's folder", "give RUN, or RUN/checkpoints/NUMBER where it was made")
    what = ordered(run)
    task = build(what, torch.device("cpu"), fresh=False)
    network = task.networks[task.averaged]
    checkpoint.load_networks(kept, {"average": network})
    clock = Clock(**checkpoint.clock_of(kept))
    changes = [each for each in folder.changes(run) if each["at"] <= clock.images]
    _write_result(out, what, task, network, clock, changes, folder.origin(run), folder.seen(run), {})
    return out


def _place_to_go_on(what: Order, out: Path, *, resume: bool, change: bool) -> tuple[Path | None, list[Change]]:
    """The checkpoint to go on from and what changed on the way, if the folder is this training's."""
    from bfrbench.training import folder

    if not resume:
        folder.refuse_taken(out)
        return None, []
    before = ordered(out).essence
    return folder.to_go_on(out, what.essence, before, change=change)


def build(what: Order, device: torch.device, *, fresh: bool = True) -> Task:
    import torch

    from bfrbench.training import checkpoint
    from bfrbench.training.task import TaskContext

    run = what.recipe.run
    torch.manual_seed(run.seed)
    from_prior = fresh and run.weights is None
    context = TaskContext(what.recipe.size, what.recipe.task, device, run.batch, run.images, run.compile, from_prior)
    task: Task = what.task(context)
    if fresh and run.weights is not None:
        if not task.goes_on:
            problem = f"a result of recipe {what.recipe.id!r} holds less than what is trained: none can go on from it"
            raise UsageError(problem, "leave run.weights out; a training that was cut goes on with --resume")
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


def _degradation(what: Order) -> Recipe | None:
    from bfrbench.degradations import load_recipe

    return load_recipe(what.recipe.degradation) if what.recipe.degradation else None


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
        faces.keep(out / "cache" if run.cache == "disk" else None, me)
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


def _say(text: str) -> None:
    print(text, file=sys.stderr)


def _say_differences(before: dict[str, Any], now: dict[str, Any], *, first: bool) -> None:
    changed = [f"{name} {before.get(name)!r} → {value!r}" for name, value in now.items() if before.get(name) != value]
    if changed and first:
        drawn = any(before.get(name) != now[name] for name in ("micro_batch", "device"))
        same = "other random numbers are drawn from here on" if drawn else "equal within rounding, not to the bit"
        _say(f"resumed under other conditions ({'; '.join(changed)}): {same}")


def _write_result(
    path: Path,
    what: Order,
    task: Task,
    network: nn.Module,
    clock: Clock,
    changes: list[Change],
    origin: dict[str, Any] | None,
    seen: Seen,
    sizes: dict[str, dict[str, int]],
) -> None:
    """The weights as the restorer reads them, and a card of what they rest on."""
    from safetensors.torch import save_file

    import bfrbench
    from bfrbench.training import checkpoint
    from bfrbench.training.card import write_card

    tensors = {name: value.detach().contiguous().cpu() for name, value in task.result(network).items()}
    with atomic.landing(path) as part:
        # One entry: safetensors writes several in an order that changes from process to process.
        header = {"recipe": what.recipe.id, "order": what.digest, "images": clock.images}
        header["network"] = task.describe()
        save_file(tensors, part, metadata={"training": json.dumps(header, sort_keys=True)})
    facts = {
        "name": path.stem,
        "file": path.name,
        "sha256": digests.of_file(path),
        "size": path.stat().st_size,
        "recipe": what.recipe.id,
        "order": what.digest,
        "images": clock.images,
        "checkpoint": checkpoint.folder(path.parent, clock.images).name,
        "bad_steps": clock.bad_steps,
        "left_out": clock.unreadable,
        "bfrbench": bfrbench.__version__,
        "loss_networks": list(dict.fromkeys([*seen.loss_networks, *(origin or {}).get("loss_networks", [])])),
        "changed": [f"at {each['at']:,} images: {', '.join(each['what'])}" for each in changes],
    }
    write_card(path, facts, seen.data, origin, sizes)
