"""Degrades a folder of sharp images into a folder or parquet files, with as many processes as asked for.

What is there already is not made again; a folder made with other choices is refused. The work on a few images
at a time is in `shard`.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from bfrbench import atomic
from bfrbench.degradations.equality import set_digest
from bfrbench.degradations.files import CHOICES, image_files
from bfrbench.degradations.library import load_recipe
from bfrbench.degradations.shard import IMAGES_A_SHARD, Job, Row, Shard, known_rows, make_shard
from bfrbench.digests import Digest
from bfrbench.errors import UsageError
from bfrbench.progress import Progress


@dataclass(frozen=True)
class Report:
    """What stands in the folder now."""

    rows: tuple[Row, ...]
    """One an image, as in a draws table."""
    made: int
    """How many of them this call made."""
    bad: tuple[str, ...]
    """What was wrong with the images that were skipped."""
    digest: Digest
    """Of the set's pixels: what a board freezes."""


def degrade_folder(job: Job, workers: int = 1) -> Report:
    """Make what is missing of `job.out` and report on all of it."""
    if job.out.resolve().is_relative_to(job.source.resolve()):
        problem = f"{job.out} is in the folder of the sharp images, and would be one of them"
        raise UsageError(problem, "give another folder for the result")
    files = image_files(job.source, job.ids)
    job = _settled(job)
    rows = {image_id: row for image_id, row in known_rows(job).items() if image_id in files}
    missing = [(image_id, path.absolute()) for image_id, path in files.items() if image_id not in rows]
    lot = _images_a_shard(len(missing), workers)
    shards = [Shard(job, missing[first : first + lot]) for first in range(0, len(missing), lot)]
    bad: list[str] = []
    with Progress("degrading", total=len(missing)) as progress:
        for made in _made(shards, workers):
            rows.update({row["id"]: row for row in made.rows})
            bad += made.bad
            progress.advance(len(made.rows) + len(made.bad))
    ordered = tuple(rows[image_id] for image_id in files if image_id in rows)
    digest = set_digest({row["id"]: row["sha256"] for row in ordered})
    return Report(ordered, len(missing) - len(bad), tuple(bad), digest)


def _images_a_shard(images: int, workers: int) -> int:
    """Few enough that no worker ends long after the others."""
    return max(1, min(IMAGES_A_SHARD, math.ceil(images / (4 * workers)))) if workers > 1 else IMAGES_A_SHARD


def _settled(job: Job) -> Job:
    """Write down the choices of a new folder, or check those of an old one."""
    recipe = load_recipe(job.recipe)
    choices = {"recipe": recipe.digest, "seed": job.seed, "view": job.view, "format": job.format, "ids": job.ids}
    path = job.out / CHOICES
    if path.exists():
        before = json.loads(path.read_text(encoding="utf-8"))
        before.setdefault("ids", "path" if any("/" in name for name in known_rows(job)) else job.ids)  # once unsaid
        _check(job.out, before, choices)
    elif job.out.exists() and any(job.out.iterdir()):
        raise UsageError(f"{job.out} holds files that this command did not make", "give a new or an empty folder")
    else:
        with atomic.told(path):
            atomic.write_json(path, {"name": job.recipe, **choices})
    return replace(job, out=job.out.absolute(), touches_target=getattr(recipe, "touches_target", True))


def _check(out: Path, before: Mapping[str, object], now: Mapping[str, object]) -> None:
    changed = [key for key in now if before.get(key) != now[key]]
    if changed:
        told = ", ".join(f"{key} {str(before.get(key))[:12]} → {str(now[key])[:12]}" for key in changed)
        raise UsageError(f"{out} was made with other choices ({told})", "give another folder, or the same choices")


def _made(shards: list[Shard], workers: int) -> Iterator[Shard]:
    if workers <= 1 or len(shards) <= 1:
        yield from map(make_shard, shards)
        return
    import multiprocessing

    with _single_threaded(), ProcessPoolExecutor(workers, multiprocessing.get_context("spawn")) as pool:
        try:
            yield from pool.map(make_shard, shards)
        finally:
            pool.shutdown(cancel_futures=True)


@contextmanager
def _single_threaded() -> Iterator[None]:
    """Workers share the cores; their libraries must not each take all of them."""
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OPENCV_FOR_THREADS_NUM")
    before = {name: os.environ.get(name) for name in names}
    os.environ.update(dict.fromkeys(names, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
