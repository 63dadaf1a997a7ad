"""`bfrbench restore`: photographs in, restored photographs out."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import cyclopts

from bfrbench.cli.output import Json, print_json
from bfrbench.errors import UsageError
from bfrbench.specs import Precision

if TYPE_CHECKING:
    from bfrbench.photo.files import Outcome
    from bfrbench.photo.restore import Choices, PhotoRestorer
    from bfrbench.restorers import LoadedRestorer

Share = Annotated[float, cyclopts.Parameter(validator=cyclopts.validators.Number(gte=0, lte=1))]
Factor = Annotated[int, cyclopts.Parameter(validator=cyclopts.validators.Number(gte=1, lte=8))]


def restore(
    inputs: Annotated[list[Path], cyclopts.Parameter(required=True)],
    /,
    *,
    out: Annotated[Path, cyclopts.Parameter(name=["--out", "-o"])],
    restorer: Annotated[str, cyclopts.Parameter(name="--with")],
    aligned: bool = False,
    upscale: Factor = 1,
    only_center: bool = False,
    alpha: Share = 1.0,
    colour: Literal["none", "statistics", "lowpass"] = "none",
    mask: Literal["convex", "parsenet", "bisenet"] | None = None,
    background: str = "bicubic",
    tile: int = 512,
    template: Literal["ffhq", "gpen"] = "ffhq",
    detector: str = "retinaface-mobile0.25",
    threshold: Share | None = None,
    seed: int = 0,
    device: str = "cpu",
    precision: Precision = "float32",
    compare: bool = False,
    force: bool = False,
    json: Json = False,
) -> int:
    """Restore the faces of photographs: detect, align, restore, paste back without a seam.

    A file that cannot be restored gets a sentence on stderr; the others are done all the same.

    Parameters
    ----------
    inputs
        Image files, or folders of them.
    out
        Folder for the results, or a file name for a single image.
    restorer
        Which restorer, for example gpen-512, gpen-512:FILE or spandrel:FILE.
    aligned
        Each image is one aligned, square face already: restore it whole.
    upscale
        Enlarge the whole photograph by this whole number.
    only_center
        Only the main face: large and near the middle.
    alpha
        Share of the restored face in the result; 0 keeps the face as it was.
    colour
        Match the restored face's colours to the photograph's: by mean and deviation, or all that is coarse.
    mask
        Shape of what is pasted: a soft rounded square, or the face as ParseNet or BiSeNet see it. Left out:
        ParseNet where its weights are in the store, else the rounded square.
    background
        bicubic, or a super-resolution file that spandrel knows.
    tile
        Side of the tiles that the background network works on.
    template
        Where the points of a face lie in its crop: FFHQ's mean, or that of GPEN's own program.
    detector
        Which face detector.
    threshold
        Lowest score of a face; left out: the detector's own.
    seed
        For restorers with random parts.
    device
        cpu, cuda, cuda:1, mps.
    precision
        What the restorer computes in.
    compare
        Also write before and after side by side.
    force
        Write over results that are there already.
    """
    from bfrbench import load_restorer
    from bfrbench.photo.files import plan, restore_files
    from bfrbench.photo.restore import Choices
    from bfrbench.progress import track

    if aligned and (upscale != 1 or only_center):
        raise UsageError("--aligned takes neither --upscale nor --only-center", "leave out one of them")
    pairs = plan(inputs, out)
    loaded = load_restorer(restorer, device=device, precision=precision)
    if loaded.spec.sees_ground_truth:
        raise UsageError(f"{restorer} needs the ground truth, which a photograph has not", "choose another restorer")
    choices = Choices(upscale, only_center, alpha, colour, template, seed)
    detect = None if aligned else (detector, threshold)
    photo = _photo_restorer(loaded, choices, detect, mask, background, tile, device)
    outcomes = []
    for outcome in track(restore_files(pairs, photo, force=force, compare=compare), "restoring", total=len(pairs)):
        outcomes.append(outcome)
        _say(outcome)
    if json:
        print_json([_row(outcome) for outcome in outcomes])
    else:
        _summary(outcomes, out)
    return 2 if any(outcome.error for outcome in outcomes) else 0


def _photo_restorer(
    loaded: LoadedRestorer,
    choices: Choices,
    detect: tuple[str, float | None] | None,
    mask: str | None,
    background: str,
    tile: int,
    device: str,
) -> PhotoRestorer:
    from bfrbench.faces.detect import load_detector
    from bfrbench.faces.parse import load_parser
    from bfrbench.photo.background import Network, bicubic
    from bfrbench.photo.restore import PhotoRestorer
    from bfrbench.weights import WeightStore

    if detect is None:
        return PhotoRestorer(loaded, None, choices)
    store = WeightStore()
    name, threshold = detect
    detector = load_detector(name, store, "cpu" if name == "yunet" else device, threshold=threshold)
    grow = bicubic if background == "bicubic" else Network(Path(background), device, tile)
    if mask is None:
        mask = "parsenet" if store.locate("parsenet") else "convex"
    parser = None if mask == "convex" else load_parser(mask, store, device)
    return PhotoRestorer(loaded, detector, choices, background=grow, parser=parser)


def _say(outcome: Outcome) -> None:
    for note in outcome.notes:
        print(f"{outcome.source}: {note}", file=sys.stderr)
    if outcome.error:
        print(f"bfrbench: {outcome.error}", file=sys.stderr)


def _row(outcome: Outcome) -> dict[str, Any]:
    return {
        "source": str(outcome.source),
        "target": None if outcome.error else str(outcome.target),
        "faces": outcome.faces,
        "notes": list(outcome.notes),
        "seconds": {stage: round(seconds, 4) for stage, seconds in outcome.seconds.items()},
        "error": outcome.error or None,
    }


def _summary(outcomes: list[Outcome], out: Path) -> None:
    done = [outcome for outcome in outcomes if not outcome.error]
    faces = sum(outcome.faces for outcome in done)
    failed = f"; {len(outcomes) - len(done)} of {len(outcomes)} failed" if len(done) < len(outcomes) else ""
    print(f"{len(done)} images with {faces} faces restored into {out}{failed}")
