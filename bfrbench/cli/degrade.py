"""`bfrbench degrade`: low-quality images from sharp ones."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import cyclopts

from bfrbench.cli.output import Json, print_json
from bfrbench.errors import InputError, UsageError

if TYPE_CHECKING:
    from bfrbench.degradations.shard import Job


def degrade(
    source: Path,
    out: Path,
    /,
    *,
    recipe: list[str] | None = None,
    seed: int = 0,
    view: int = 0,
    workers: Annotated[int, cyclopts.Parameter(validator=cyclopts.validators.Number(gte=1, lte=256))] = 1,
    format: Literal["png", "webp", "parquet"] = "png",
    draws: Path | None = None,
    labels: Path | None = None,
    preview: bool = False,
    skip_bad: bool = False,
    ids: Literal["stem", "path"] = "stem",
    json: Json = False,
) -> None:
    """Make a low-quality set from a folder of sharp images. Running it again goes on where it stopped.

    Parameters
    ----------
    source
        Folder of sharp images (with --preview, an image or a folder).
    out
        Folder of the low-quality images (with --preview, the picture).
    recipe
        A name of 'bfrbench degradations list', a name@size, a TOML file, a plugin's recipe, given:FOLDER or
        draws:FILE (stored draws, replayed). Several only with --preview.
    seed
        Seed of the draws.
    view
        Which of the many draws of one image and seed, 0 for the first.
    workers
        Processes.
    format
        Image files without loss, or parquet files that Hugging Face datasets read.
    draws
        Also write every draw, with severity, PSNR and pixel digest, to this parquet file.
    labels
        Folder of parsing maps (PNG, one channel), for recipes with a palette.
    preview
        One picture instead: a face under rising severity, one row a recipe.
    skip_bad
        Skip, count and name images that cannot be used, instead of stopping.
    ids
        What names an image, as in data sets: its file's name without ending, or its path below the folder.
    """
    if preview:
        _preview(source, out, recipe or [], seed)
        return
    if recipe is None or len(recipe) != 1:
        raise UsageError("degrade needs one recipe", "write --recipe NAME (see 'bfrbench degradations list')")
    from bfrbench.degradations.draws import write_table
    from bfrbench.degradations.folder import degrade_folder
    from bfrbench.degradations.shard import Job

    job = Job(source, out, recipe[0], seed, view, format, labels, skip_bad, ids)
    if (told := _other_size(job)) is not None:
        print(told, file=sys.stderr)
    report = degrade_folder(job, workers)
    if draws is not None:
        write_table(draws, report.rows)
    found: dict[str, Any] = {
        "out": str(out),
        "images": len(report.rows),
        "made": report.made,
        "bad": list(report.bad),
        "digest": report.digest,
    }
    if json:
        print_json(found)
        return
    print(f"{found['images']} images in {out} ({report.made} made now, {len(report.bad)} skipped)")
    print(f"digest of the set's pixels: {report.digest}")
    for problem in report.bad:
        print(f"skipped: {problem}")


def _other_size(job: Job) -> str | None:
    """A word where the recipe's blurs, which count pixels, are meant for pictures of another size."""
    from bfrbench.degradations import Recipe, load_recipe
    from bfrbench.degradations.files import image_files
    from bfrbench.degradations.grammar import plain_steps
    from bfrbench.imaging.read import read_image

    recipe = load_recipe(job.recipe)
    if not isinstance(recipe, Recipe) or "blur" not in str(plain_steps(recipe.steps)):
        return None
    wanted = recipe.reference_size
    name, path = next(iter(image_files(job.source, job.ids).items()))
    try:
        side = max(read_image(path).shape[:2])
    except InputError:  # told in its turn
        return None
    if wanted == side:
        return None
    scaled = f"{job.recipe.partition('@')[0]}@{side}"
    return f"note: {job.recipe} is meant for {wanted} px and {name!r} has {side}: did you mean --recipe {scaled}?"


def _preview(source: Path, out: Path, names: list[str], seed: int) -> None:
    from bfrbench.degradations import Recipe, load_recipe, shipped_names
    from bfrbench.degradations.files import image_files
    from bfrbench.degradations.preview import preview
    from bfrbench.imaging.read import read_image
    from bfrbench.imaging.write import check_writable, write_image

    check_writable(out)
    image = read_image(next(iter(image_files(source).values())) if source.is_dir() else source)
    recipes = [load_recipe(name) for name in names or shipped_names() if name != "palette"]
    other = [name for name, recipe in zip(names, recipes, strict=False) if not isinstance(recipe, Recipe)]
    if other or not recipes:
        raise InputError(f"{', '.join(other) or 'palette'} cannot be previewed", "give recipes written in TOML")
    write_image(out, preview(image, recipes, seed=seed))
    print(f"{out}: {len(recipes)} {'recipe' if len(recipes) == 1 else 'recipes'}")
