"""Whether it really learns: GPEN's stages and the ablations of its Table 1, trained under one budget and judged alike.

Every variant sees the same number of images: the prior takes its share of the budget, the restorer the rest, and the
one without a prior takes all of it. Each is judged on faces of people that it never saw, beside the input, bicubic and
the oracle, by networks that are in no loss. Interrupted, the same command goes on where it stopped.

    python benchmarks/ablations.py --out runs/ablations                       # 64 px, 400,000 images, three seeds
    python benchmarks/ablations.py --out runs/try --size 32 --narrow 0.03 --budget 32 --seeds 0 --limit 16

Said before anything was trained: full and noise-add end above without-noise and without-finetuning; full and noise-add
are too close to tell apart here.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from bfrbench import atomic
from bfrbench.bench import api
from bfrbench.bench.scorecard import FILE, MetricResult, read
from bfrbench.training import start

PROTOCOL = "small-networks"
SHOWN = ("psnr", "ssim", "lmd", "retinaface-distance", "recognition-frechet", "ids")
BASELINES = ("input", "bicubic", "oracle")
BETTER, WORSE = ("full", "noise-add"), ("without-noise", "without-finetuning")
ENOUGH_SEEDS = 3


@dataclass(frozen=True)
class Variant:
    """A row of the table: how noise enters its prior (None: it has none), and which network it trains."""

    name: str
    noise: str | None
    network: str


VARIANTS = {
    variant.name: variant
    for variant in (
        Variant("full", "concat", "full"),
        Variant("noise-add", "add-wide", "noise-add"),
        Variant("without-noise", "none", "without-noise"),
        Variant("without-finetuning", "concat", "without-finetuning"),
        Variant("no-prior", None, "full"),
    )
}


def trained(what: start.Order, out: Path) -> Path:
    """The weights of a training that is done, gone on with, or started."""
    result = out / "result.safetensors"
    if result.is_file():
        return result
    return start.train(what, out, resume=(out / "order.json").is_file())


def shared(options: argparse.Namespace, seed: int, images: int, also: Iterable[str]) -> list[str]:
    run = (
        f"run.seed={seed}",
        f"run.images={images}",
        f"run.batch={options.batch}",
        f"run.log_every={options.log_every}",
    )
    return [*run, "run.cache=ram", "task.multiplier=1", f"task.narrow={options.narrow}", *also]


def prior(noise: str, seed: int, options: argparse.Namespace) -> Path:
    """The run of stage 1; variants whose priors are alike share it."""
    out = options.out / "priors" / f"{noise}-{seed}"
    sets = shared(options, seed, of_prior(options), (f"task.noise={noise}", *options.set_prior))
    trained(start.order(f"gpen-prior@{options.size}", options.data, sets=sets, device=options.device), out)
    return out


def restorer(variant: Variant, seed: int, options: argparse.Namespace) -> Path:
    """The weights of stage 2."""
    images, sets = options.budget, [f"task.variant={variant.network}"]
    if variant.noise is not None:
        images -= of_prior(options)
        sets.append(f"task.prior={prior(variant.noise, seed, options)}")
    sets += [f"degradation={recipe(options.size)}", *options.set]
    chosen = shared(options, seed, images, sets)
    what = start.order(f"gpen-finetune@{options.size}", options.data, sets=chosen, device=options.device)
    return trained(what, options.out / "restorers" / f"{variant.name}-{seed}")


def of_prior(options: argparse.Namespace) -> int:
    """Images of the budget that the prior sees: whole batches."""
    return round(options.budget * options.prior_share / options.batch) * options.batch


def recipe(size: int) -> str:
    return f"vqfr-1@{size}"


def board(options: argparse.Namespace) -> Path:
    """The board lfw128 at the size that is trained here."""
    path: Path = options.out / "board" / "board.toml"
    lines = (
        f'name = "ablations-{options.size}"',
        f'title = "Ablations at {options.size} pixels"',
        'summary = "Written by benchmarks/ablations.py."',
        f'dataset = "{options.test}"',
        f"size = {options.size}",
        f'degradation = "{recipe(options.size)}"',
        f'protocol = "{PROTOCOL}"',
    )
    atomic.write_text(path, "\n".join(lines) + "\n")
    return path


Results = Mapping[str, MetricResult]


def judged(ref: str, name: str, options: argparse.Namespace) -> Results:
    out = options.out / "scores" / name
    if not (out / FILE).is_file():
        how: dict[str, Any] = {"threads": options.threads, "in_process": True, "device": options.device}
        api.run(ref, board(options), out=out, limit=options.limit, **how)
    return read(out).results.metrics


def row(name: str, found: Sequence[Results]) -> str:
    """Baselines and single seeds with the interval over faces; more seeds as mean and range over them."""
    cells = []
    for metric in SHOWN:
        values = [results[metric].value for results in found]
        if any(value is None for value in values):
            cells.append("–")
            continue
        known = [value for value in values if value is not None]
        low, high = (found[0][metric].low, found[0][metric].high) if len(known) == 1 else (min(known), max(known))
        spread = "" if low is None or high is None else f" ({low:.3f} … {high:.3f})"
        cells.append(f"{sum(known) / len(known):.3f}{spread}")
    return f"| {name} | {len(found)} | " + " | ".join(cells) + " |"


def verdicts(found: Mapping[str, Sequence[Results]]) -> list[str]:
    """Of each pair that was spoken of beforehand: above, below, or not separable."""
    lines = []
    pairs = [("full", "noise-add"), *((good, bad) for good in BETTER for bad in WORSE), ("full", "no-prior")]
    for first, second in pairs:
        if first not in found or second not in found:
            continue
        fewest = min(len(found[first]), len(found[second]))
        said = ", ".join(f"{metric} {verdict(metric, found[first], found[second])}" for metric in SHOWN)
        said = said if fewest >= ENOUGH_SEEDS else f"no conclusion from {fewest} seed(s)"
        lines.append(f"- {first} against {second}: {said}")
    return lines


def verdict(metric: str, first: Sequence[Results], second: Sequence[Results]) -> str:
    """Better or worse only where every seed of one beats every seed of the other."""
    sign = 1 if first[0][metric].higher_is_better else -1
    ours, theirs = ([sign * (one[metric].value or 0.0) for one in side] for side in (first, second))
    if min(ours) > max(theirs):
        return "better"
    return "worse" if max(ours) < min(theirs) else "not separable"


def table(baselines: Mapping[str, Results], found: Mapping[str, Sequence[Results]], options: argparse.Namespace) -> str:
    first = next(iter(baselines.values()))
    arrows = [f"{name} {'↑' if first[name].higher_is_better else '↓'}" for name in SHOWN]
    about = (
        f"{options.size} px, narrow {options.narrow:g}, {options.budget:,} images each ({of_prior(options):,} of them "
        f"the prior's), trained on {' and '.join(options.data)}, judged on {options.test} × {recipe(options.size)}"
        f"{f' (the first {options.limit})' if options.limit else ''} by {PROTOCOL}; seeds "
        f"{', '.join(map(str, options.seeds))}. In brackets: the range over seeds, or of a single row its "
        f"95 % interval over people."
    )
    head = ["| | seeds | " + " | ".join(arrows) + " |", "|" + "---|" * (len(SHOWN) + 2)]
    rows = [row(name, [one]) for name, one in baselines.items()] + [row(name, some) for name, some in found.items()]
    return "\n".join([about, "", *head, *rows, "", *verdicts(found), ""])


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--narrow", type=float, default=0.125)
    parser.add_argument("--budget", type=int, default=400_000, help="images that each variant sees, prior included")
    parser.add_argument("--prior-share", type=float, default=0.6)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--variants", nargs="+", choices=VARIANTS, default=list(VARIANTS))
    parser.add_argument("--data", nargs="+", default=["lfw128:train"])
    parser.add_argument("--test", default="lfw128:test")
    parser.add_argument("--limit", type=int, help="judge on the first faces only")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--log-every", type=int, default=1000)
    parser.add_argument("--set-prior", nargs="*", default=[], help="settings of stage 1, such as task.augmentation=ada")
    parser.add_argument("--set", nargs="*", default=[], help="settings of stage 2")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--device", default="cpu")
    return parser.parse_args()


def main() -> None:
    options = arguments()
    # This script's folder comes first on the path, and its datasets.py would hide the library datasets.
    sys.path[:] = [path for path in sys.path if Path(path or ".").resolve() != Path(__file__).resolve().parent]
    torch.set_num_threads(options.threads)
    baselines = {name: judged(name, name, options) for name in BASELINES}
    found: dict[str, list[Results]] = {}
    for seed in options.seeds:  # seed by seed, so that what there is at any moment compares
        for name in options.variants:
            weights = restorer(VARIANTS[name], seed, options)
            found.setdefault(name, []).append(judged(f"gpen:{weights}", f"{name}-{seed}", options))
            atomic.write_text(options.out / "table.md", table(baselines, found, options))
    print((options.out / "table.md").read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
