"""Degrading: the exact road beside a plain OpenCV loop, one thread each; scaling over processes; the device road.

    python benchmarks/degradations.py [--images FOLDER] [--count 40] [--seed 0] [--repeat 3]

The loop does what BasicSR's data sets do, on float32 images, for the same draws and the same noise fields: filter2D,
resize, noise, imencode and imdecode, resize. The images of both are compared as well as their times.
"""

from __future__ import annotations

import argparse
import os
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"

import cv2  # noqa: E402
import numpy as np  # noqa: E402

from bfrbench.cli.output import print_table  # noqa: E402
from bfrbench.contracts import Draw, Op  # noqa: E402
from bfrbench.degradations import apply, load_recipe, noise, shipped_names  # noqa: E402
from bfrbench.degradations.equality import compare  # noqa: E402
from bfrbench.degradations.exact import target_size  # noqa: E402
from bfrbench.degradations.filtering import INTERPOLATIONS  # noqa: E402
from bfrbench.degradations.kernels import kernel_of  # noqa: E402

RECIPES = ("gfpgan", "codeformer-2", "real-esrgan")


def loop(gt: np.ndarray, draw: Draw) -> np.ndarray:
    """The straightforward way: one OpenCV call a step on a float32 image in [0, 1]."""
    image = gt.astype(np.float32) / 255.0
    fields = 0
    for op in draw.ops:
        image, fields = _step(image, gt.shape[:2], op, draw.noise_key, fields)
    return np.clip((image * 255.0).round(), 0, 255).astype(np.uint8)


def _step(image: np.ndarray, given: tuple[int, int], op: Op, key: int, fields: int) -> tuple[np.ndarray, int]:
    args = op.args
    if op.name in ("blur", "sinc"):
        return cv2.filter2D(image, -1, kernel_of(op.name, args)), fields
    if op.name == "resize":
        height, width = target_size(op, image.shape[:2], given)
        return cv2.resize(image, (width, height), interpolation=INTERPOLATIONS[args["method"]]), fields
    if op.name == "gaussian":
        shape = (*image.shape[:2], 1 if args["grey"] else 3)
        field = noise.normal(key, fields, shape) / noise.GRAIN * (args["sigma"] / 255.0)
        return np.clip(image + field.astype(np.float32), 0, 1), fields + 1
    if op.name == "poisson":
        seen = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)[..., None] if args["grey"] else image
        levels = np.clip((seen * 255.0).round(), 0, 255).astype(np.uint8)
        excess = noise.poisson_excess(levels, key, fields) / 255.0 * args["scale"]
        return np.clip(image + excess.astype(np.float32), 0, 1), fields + 1
    if op.name == "jpeg":
        levels = np.clip((image * 255.0).round(), 0, 255).astype(np.uint8)
        coded = cv2.imencode(
            ".jpg", cv2.cvtColor(levels, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, args["quality"]]
        )
        return cv2.cvtColor(cv2.imdecode(coded[1], 1), cv2.COLOR_BGR2RGB).astype(np.float32) / 255.0, fields
    return _colour(image, op), fields


def _colour(image: np.ndarray, op: Op) -> np.ndarray:
    args = op.args
    if op.name == "shift":
        amount = np.array([args["red"], args["green"], args["blue"]], np.float32) / 255.0
        return np.clip(image + amount, 0, 1)
    if op.name == "grey":
        return np.repeat(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)[..., None], 3, 2)
    for change in args["order"]:
        factor = args[change]
        if change == "brightness":
            image = np.clip(image * factor, 0, 1).astype(np.float32)
        elif change == "hue":
            hsv = cv2.cvtColor(image, cv2.COLOR_RGB2HSV)
            hsv[..., 0] = (hsv[..., 0] + factor * 360.0) % 360.0
            image = cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB)
        else:
            grey = image @ np.array([0.2989, 0.587, 0.114], np.float32)
            other = grey.mean() if change == "contrast" else grey[..., None]
            image = np.clip(factor * image + (1 - factor) * other, 0, 1).astype(np.float32)
    return image


def _best(work: Callable[[np.ndarray, Draw], object], pairs: list[tuple[np.ndarray, Draw]], repeat: int) -> float:
    """CPU seconds for all images, each at its fastest of `repeat` times: the machine may be shared."""
    fastest = [float("inf")] * len(pairs)
    for _ in range(repeat):
        for place, (gt, draw) in enumerate(pairs):
            began = time.process_time()
            work(gt, draw)
            fastest[place] = min(fastest[place], time.process_time() - began)
    return sum(fastest)


def beside_opencv(images: list[np.ndarray], seed: int, repeat: int) -> None:
    rows = []
    for name in RECIPES:
        recipe = load_recipe(name)
        pairs = [(image, recipe.draw(seed, str(place))) for place, image in enumerate(images)]
        ours, theirs = _best(apply, pairs, repeat), _best(loop, pairs, repeat)
        found = compare((str(i), apply(gt, draw).lq, loop(gt, draw)) for i, (gt, draw) in enumerate(pairs))
        same = sum((apply(gt, draw).lq == loop(gt, draw)).all() for gt, draw in pairs)
        error = [float(np.square(apply(gt, d).lq.astype(float) - loop(gt, d)).mean()) for gt, d in pairs]
        psnr = 10 * np.log10(255**2 / max(float(np.mean(error)), 1e-12))
        rates = [f"{len(pairs) / seconds:.1f}" for seconds in (ours, theirs)]
        agreement = f"{same}/{len(pairs)} equal, {found.share:.3%} of pixels differ, {psnr:.1f} dB"
        rows.append([name, *rates, f"{theirs / ours:.2f}", "≥ 2", agreement])
    columns = ("recipe", "ours, images a CPU second", "OpenCV loop", "ratio", "goal", "agreement")
    print_table(
        columns,
        rows,
        title=f"{len(images)} images 512×512, one thread, CPU seconds, best of {repeat} each, seed {seed}",
    )


def scaling(count: int, seed: int) -> None:
    """Whole folders through `degrade_folder`, one process against two: reading and writing included."""
    import tempfile

    from bfrbench.degradations.folder import degrade_folder
    from bfrbench.degradations.shard import Job
    from bfrbench.imaging.write import write_image

    rng = np.random.default_rng(seed)
    with tempfile.TemporaryDirectory() as made:
        root = Path(made)
        small = rng.integers(0, 256, (count, 16, 16, 3), np.uint8)
        for place, picture in enumerate(small):
            write_image(root / "in" / f"{place:04}.png", cv2.resize(picture, (512, 512), interpolation=cv2.INTER_CUBIC))
        seconds, worked = {}, {}
        for workers in (1, 2):
            began, before = time.perf_counter(), _cpu_seconds()
            degrade_folder(Job(root / "in", root / f"out-{workers}", "gfpgan", seed), workers)
            seconds[workers], worked[workers] = time.perf_counter() - began, _cpu_seconds() - before
    rates = [f"{count / seconds[workers]:.1f}" for workers in (1, 2)]
    possible = f"{2 * worked[1] / worked[2]:.2f}"
    row = [str(count), *rates, f"{seconds[1] / seconds[2]:.2f}", "≥ 1.8", possible]
    columns = ("pictures, gfpgan", "1 process, images/s", "2 processes", "scaling", "goal", "by CPU seconds alone")
    print_table(columns, [row])


def _cpu_seconds() -> float:
    """Of this process and of its children that have ended."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def device(images: list[np.ndarray], seed: int, batch: int) -> None:
    import torch

    from bfrbench.degradations import apply_batch

    on = "cuda" if torch.cuda.is_available() else "cpu"
    batch = batch if on == "cuda" else 8
    torch.set_num_threads(1)
    chosen = [images[i % len(images)] for i in range(batch)]
    gt = torch.from_numpy(np.stack(chosen)).permute(0, 3, 1, 2).float().div(255).to(on)
    rows = []
    for name in sorted(set(shipped_names()) - {"palette"}):
        recipe = load_recipe(name)
        draws = [recipe.draw(seed, str(i)) for i in range(batch)]
        lq = apply_batch(gt, draws)[0]
        exact = np.stack([apply(image, draw).lq for image, draw in zip(chosen, draws, strict=True)])
        error = np.square(lq.mul(255).round().permute(0, 2, 3, 1).cpu().numpy() - exact).mean((1, 2, 3))
        began = time.perf_counter()
        apply_batch(gt, draws)
        if on == "cuda":
            torch.cuda.synchronize()
        seconds = time.perf_counter() - began
        psnr = 10 * np.log10(255**2 / np.maximum(error, 1e-5))
        rows.append([name, f"{batch / seconds:.1f}", f"{psnr.mean():.1f}", f"{psnr.min():.1f}"])
    columns = (f"device road, {on}, batch {batch}", "images/s", "PSNR to the exact road: mean, dB", "worst image")
    print_table(columns, rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    shared = Path(__file__).resolve().parents[2] / "shared" / "data" / "faces_hq"
    parser.add_argument("--images", type=Path, default=shared, help="folder of 512×512 images")
    parser.add_argument("--count", type=int, default=40)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--only", choices=("opencv", "scaling", "device"))
    given = parser.parse_args()
    cv2.setNumThreads(1)
    from bfrbench.degradations.files import image_files
    from bfrbench.imaging.read import read_image

    files = list(image_files(given.images).values())[: given.count]
    images = [read_image(path) for path in files]
    if any(image.shape != (512, 512, 3) for image in images):
        sys.exit("the goals are for 512×512 images")
    if given.only in (None, "opencv"):
        beside_opencv(images, given.seed, given.repeat)
    if given.only in (None, "scaling"):
        scaling(4 * given.count, given.seed)
    if given.only in (None, "device"):
        device(images, given.seed, 64)


if __name__ == "__main__":
    main()
