"""Checkpoints: everything a resume needs, landed whole or not at all, kept by a policy.

A checkpoint is a folder `checkpoints/000000123456/` (images seen): `weights.safetensors` with the networks and the
moving average, `optimisers.pt` (tensors only), `state.json`.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from bfrbench import atomic
from bfrbench.errors import InputError, OutputError, UsageError
from bfrbench.training.ema import Average
from bfrbench.training.task import Task

_FOLDER = "checkpoints"
_WEIGHTS = "weights.safetensors"
_STATE = "state.json"
_AVERAGE = "average"
_TASK = "task"


def folder(run: Path, images: int) -> Path:
    return run / _FOLDER / f"{images:012d}"


def run_of(place: Path) -> Path | None:
    """The run whose checkpoint it is; None for one that stands elsewhere than `save` put it."""
    run = place.absolute().parent.parent
    return run if place.absolute() == folder(run, images_of(place)).absolute() else None


def weights_of(place: Path) -> Path:
    return place / _WEIGHTS


def all_of(run: Path) -> list[Path]:
    """Whole checkpoints, oldest first."""
    root = run / _FOLDER
    return sorted(path for path in root.glob("[0-9]*") if (path / _STATE).is_file()) if root.is_dir() else []


def save(
    run: Path, images: int, task: Task, average: Average, scaler: Mapping[str, Any], state: dict[str, Any]
) -> Path:
    """Write the checkpoint beside its place and rename it there; a failure leaves the others untouched."""
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    place = folder(run, images)
    part = place.with_name(f".{place.name}.part")
    try:
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
        save_file(_tensors(task, average), weights_of(part))
        optimisers = {name: optimiser.state_dict() for name, optimiser in task.optimisers.items()}
        torch.save({"optimisers": optimisers, "scaler": dict(scaler)}, part / "optimisers.pt")
        atomic.write_json(part / _STATE, state)
        for file in part.iterdir():
            _flush(file)
        shutil.rmtree(place, ignore_errors=True)
        part.replace(place)
    except (OSError, SafetensorError, RuntimeError) as error:  # torch reports a full disk as RuntimeError
        shutil.rmtree(part, ignore_errors=True)
        kept = all_of(run)
        last = f"the last whole checkpoint is {kept[-1]}" if kept else "there is no earlier one"
        raise OutputError(
            f"the checkpoint {place} cannot be written ({error})", f"make room and resume: {last}"
        ) from error
    return place


def load(place: Path, task: Task, average: Average, device: torch.device) -> tuple[dict[str, Any], dict[str, Any]]:
    """Put a checkpoint into a freshly built task; gives the scaler's state and `state.json`."""
    from safetensors.torch import load_file

    try:
        tensors = load_file(weights_of(place), device=str(device))
        held = torch.load(place / "optimisers.pt", map_location=device, weights_only=True)
        state = _state(place)
    except Exception as error:
        raise InputError(f"the checkpoint {place} is damaged ({error})", "remove it; the one before is used") from error
    for name, network in {**task.networks, _AVERAGE: average.network}.items():
        _load_network(network, _under(tensors, name), f"{name} in {place}")
    task.load_state(_under(tensors, _TASK))
    for name, optimiser in task.optimisers.items():
        settings = [{key: value for key, value in group.items() if key != "params"} for group in optimiser.param_groups]
        try:
            optimiser.load_state_dict(held["optimisers"][name])
        except (KeyError, ValueError) as error:
            problem = f"the optimiser of {name} in {place} does not fit this recipe ({error})"
            raise UsageError(problem, "use its own, or start anew from its result with run.weights") from error
        for group, own in zip(optimiser.param_groups, settings, strict=True):
            group.update(own)  # what was asked for now, where it was changed
    return held["scaler"], state


def at(place: Path, run: str) -> Path:
    """The checkpoint that a place means: itself, or the last of the run in it, which is called `run` in words."""
    kept = [place] if (place / _STATE).is_file() else all_of(place)
    if not kept:
        raise InputError(f"{place} holds no checkpoint", f"give {run}, or one checkpoint of it")
    return kept[-1]


def clock_of(place: Path) -> dict[str, Any]:
    """The clock of a checkpoint, as it was kept."""
    clock: dict[str, Any] = _state(place)["clock"]
    return clock


def images_of(place: Path) -> int:
    """What it has seen, whatever its folder is called."""
    return int(clock_of(place)["images"])


def _state(place: Path) -> dict[str, Any]:
    held: dict[str, Any] = json.loads((place / _STATE).read_text(encoding="utf-8"))
    return held


def load_networks(place: Path, names: Mapping[str, nn.Module]) -> None:
    """Only some networks of a checkpoint, for a stage that starts from another stage's end."""
    from safetensors.torch import load_file

    path = weights_of(place)
    if not path.is_file():
        raise InputError(f"{place} is not a checkpoint", "give a folder under checkpoints/ of a run")
    tensors = load_file(path)
    for name, network in names.items():
        _load_network(network, _under(tensors, name), f"{name} in {place}")


def fill(network: nn.Module, path: Path) -> None:
    """Start a network from a weights file, such as a training's result."""
    from bfrbench.weights import load_state_dict

    _load_network(network, load_state_dict(path), f"the network in {path}")


def prune(run: Path, *, keep_last: int, milestone_every: int | None, best: Path | None) -> None:
    """Remove what the policy does not keep: the last few, the best, and milestones: the first checkpoint at or after
    each multiple of `milestone_every`, which batches need not meet."""
    kept, reached = all_of(run), 0
    for index, place in enumerate(kept):
        multiple = int(place.name) // milestone_every if milestone_every else 0
        milestone, reached = multiple > reached, max(reached, multiple)
        if not milestone and place != best and index < len(kept) - keep_last:
            shutil.rmtree(place)


def _tensors(task: Task, average: Average) -> dict[str, Tensor]:
    parts = {name: network.state_dict() for name, network in task.networks.items()}
    parts[_AVERAGE] = average.network.state_dict()
    parts[_TASK] = task.state()
    return {
        f"{part}/{name}": value.detach().contiguous().cpu()
        for part, held in parts.items()
        for name, value in held.items()
    }


def _under(tensors: Mapping[str, Tensor], part: str) -> dict[str, Tensor]:
    return {name.removeprefix(f"{part}/"): value for name, value in tensors.items() if name.startswith(f"{part}/")}


def _load_network(network: nn.Module, tensors: Mapping[str, Tensor], what: str) -> None:
    try:
        network.load_state_dict(tensors)
    except RuntimeError as error:
        raise UsageError(
            f"{what} does not fit this recipe ({str(error).splitlines()[-1].strip()})", "use its own"
        ) from error


def _flush(file: Path) -> None:
    handle = os.open(file, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
