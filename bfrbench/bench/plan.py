"""What a run would do, worked out before anything is computed: board, restorer, digests, folder, manifest."""

from __future__ import annotations

import math
import os
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

from bfrbench import digests
from bfrbench.bench import depends, provenance
from bfrbench.bench.manifest import Choices, Manifest, RestorerIdentity
from bfrbench.bench.ranks import Rank, device_of, this_rank
from bfrbench.bench.settings import Settings
from bfrbench.bench.stage import Stage
from bfrbench.bench.worker import Job
from bfrbench.contracts import Ref, Restorer
from bfrbench.digests import Digest
from bfrbench.errors import UsageError
from bfrbench.plugins import BUILTIN, PluginHost
from bfrbench.restorers import LoadedRestorer, RestorerContext, split_ref
from bfrbench.specs import Precision, RestorerSpec

RUNS = "runs"


@dataclass(frozen=True)
class Plan:
    """Everything settled."""

    stage: Stage
    spec: RestorerSpec
    plugin: str
    draft: Manifest
    folder: Path
    device: str
    rank: Rank
    settings: Settings
    loaded: LoadedRestorer | None
    """The restorer itself when the caller made it; else it is made from `job` when there is work."""
    host: PluginHost
    code: Mapping[str, Any]
    """What was there to make numbers of rows with (see `depends.code_of`) when the run began."""

    @property
    def isolated(self) -> bool:
        """Foreign code runs in a process of its own, where it can be stopped."""
        if self.loaded is not None or self.settings.in_process:
            return False
        return self.spec.isolated or self.plugin != BUILTIN

    def job(self, manifest: Manifest) -> Job:
        who = manifest.choices.restorer
        precision = cast(Precision, who.precision)
        return Job(who.ref, self.device, precision, dict(self.settings.options), manifest.choices.threads)


def make_plan(
    restorer: Ref | LoadedRestorer | Restorer,
    stage: Stage,
    settings: Settings,
    *,
    name: str | None = None,
    host: PluginHost | None = None,
) -> Plan:
    """Settle everything that can be settled without computing."""
    host, rank = host or PluginHost(), this_rank()
    device = device_of(rank, settings.device)
    loaded = None if isinstance(restorer, str) else _as_loaded(restorer, name, device)
    ref = restorer if isinstance(restorer, str) else (name or cast(LoadedRestorer, loaded).ref)
    if loaded is not None:
        settings = _as_made(loaded, settings)
    spec, plugin = _spec(ref, loaded, host)
    if spec.sees_ground_truth and not stage.has_ground_truth:
        raise UsageError(f"{ref} needs the ground truth and this set has none", "leave it out on this board")
    _check_answer(ref, spec, settings)
    identity = _identity(ref, spec, plugin, loaded, settings, host)
    spec = _as_trained(spec, identity)
    draft = _draft(stage, identity, depends.source_of(spec, identity.package), settings, device)
    folder = settings.out or Path(RUNS) / stage.board.name / _folder_name(identity, settings)
    return Plan(
        stage, spec, plugin, draft, folder, device, rank, settings, loaded, host, depends.code_of(stage.metrics, host)
    )


def _check_answer(ref: Ref, spec: RestorerSpec, settings: Settings) -> None:
    """A sample or an operating point is asked only of a restorer that says it has some."""
    if settings.sample and not spec.samples:
        raise UsageError(f"{ref} has one answer only, and sample {settings.sample} was asked for", "leave it out")
    if settings.point is None:
        return
    if spec.points is None:
        raise UsageError(f"{ref} has no operating point, and {settings.point:g} was asked for", "leave it out")
    low, high = spec.points
    if not low <= settings.point <= high:
        raise UsageError(f"point {settings.point:g} is outside of what {ref} has", f"choose {low:g} to {high:g}")


def _as_loaded(restorer: LoadedRestorer | Restorer, name: str | None, device: str) -> LoadedRestorer:
    """An object of the caller's own, behind the same door as every other restorer."""
    if isinstance(restorer, LoadedRestorer):
        return restorer
    kind = type(restorer)
    spec = RestorerSpec(
        id=name or re.sub(r"[^a-z0-9]+", "-", kind.__name__.lower()).strip("-") or "object",
        target=f"{kind.__module__}:{kind.__name__}",
        summary="An object of the caller's own.",
        licence="not stated",
        trained_on=("not stated",),
        samples=True,
        points=(-math.inf, math.inf),
    )
    return LoadedRestorer(spec.id, "", RestorerContext(spec, device=device), restorer)


def _as_made(loaded: LoadedRestorer, settings: Settings) -> Settings:
    """What is written down of a restorer that the caller made is how it was made, not what a run asks of one."""
    options, precision = dict(loaded.context.options), loaded.context.precision
    for asked, usual, made in ((dict(settings.options), {}, options), (settings.precision, "float32", precision)):
        if asked not in (usual, made):
            problem = f"{loaded.ref} was made with {made!r}, and the run asks for {asked!r}"
            raise UsageError(problem, "give that to load_restorer, or give run the restorer's name")
    return replace(settings, options=options, precision=precision)


def _spec(ref: Ref, loaded: LoadedRestorer | None, host: PluginHost) -> tuple[RestorerSpec, str]:
    if loaded is not None:
        return loaded.spec, loaded.plugin
    owned = host.restorer(split_ref(ref)[0])
    return owned.spec, owned.plugin


def _as_trained(spec: RestorerSpec, identity: RestorerIdentity) -> RestorerSpec:
    """What is known of a weights file that the user gives is what its card says, not what its plugin says of others."""
    from bfrbench.training.card import UNKNOWN, read_card

    path = depends.place_of(identity.argument or "")
    if path is None or not path.is_file():
        return spec
    if card := read_card(path, sha256=identity.weights["argument"]):
        return replace(spec, trained_on=card.data, loss_networks=card.loss_networks)
    return replace(spec, trained_on=(UNKNOWN,), loss_networks=()) if spec.weights else spec


def _identity(
    ref: Ref, spec: RestorerSpec, plugin: str, loaded: LoadedRestorer | None, settings: Settings, host: PluginHost
) -> RestorerIdentity:
    argument = loaded.context.argument if loaded is not None else split_ref(ref)[1]
    package, version = provenance.package_of(plugin, host)
    return RestorerIdentity(
        ref=ref,
        id=spec.id,
        argument=argument,
        options=dict(settings.options),
        plugin=plugin,
        package=package,
        version=version,
        precision=settings.precision,
        sample=settings.sample,
        point=settings.point,
        weights=depends.on(spec, argument, package, loaded),
    )


def _draft(
    stage: Stage, identity: RestorerIdentity, source: dict[str, Digest], settings: Settings, device: str
) -> Manifest:
    layout = stage.board.layout
    ids: Sequence[str] = stage.dataset.ids
    limit = settings.limit if settings.limit is not None and settings.limit < len(ids) else None
    choices = Choices(
        board=stage.board,
        board_digest=stage.digest,
        dataset_digest=stage.dataset_digest,
        degradation_digest=None if stage.recipe is None else stage.recipe.digest,
        protocol_digest=stage.protocol.digest,
        metrics=settings.metrics,
        restorer=identity,
        limit=limit,
        batch=settings.batch or layout.batch,
        shard=settings.shard or layout.shard,
        threads=settings.threads or min(8, _cores()),
        device=device.partition(":")[0],
        save_images=settings.save_images,
        time_limit=settings.time_limit or layout.time_limit,
        versions=provenance.versions(),
        metric_weights=depends.weights_of(stage.metrics),
        source=source,
    )
    return Manifest(
        created=time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        git=provenance.commit(),
        total=len(ids),
        choices=choices,
        ids=tuple(ids[:limit]),
    )


def _folder_name(identity: RestorerIdentity, settings: Settings) -> str:
    """Readable, and different for whatever makes a different run."""
    name = re.sub(r"[^A-Za-z0-9.]+", "-", identity.ref).strip("-.")[:60] or "restorer"
    rest = identity.model_dump(mode="json", include={"argument", "options", "precision"})
    usual: dict[str, Any] = {"argument": None, "options": {}, "precision": "float32"}
    if settings.metrics or rest != usual:
        name += f"-{digests.of_data([identity.ref, rest, list(settings.metrics)])[:8]}"
    name += f"-sample{identity.sample}" if identity.sample else ""
    name += f"-point{identity.point:g}" if identity.point is not None else ""
    return f"{name}-limit{settings.limit}" if settings.limit else name


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
