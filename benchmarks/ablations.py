"""Whether it really learns: networks that differ in one thing, trained under one budget and judged alike.

    python benchmarks/ablations.py gpen --out runs/ablations     # 64 px, 400,000 images, three seeds
    python benchmarks/ablations.py blocks supervision plug --out runs/ablations-mmrb
    python benchmarks/ablations.py gpen --out runs/try --size 32 --narrow 0.03 --budget 32 --seeds 0 --limit 16

`gpen` are GPEN's stages and the ablations of its Table 1; `blocks` MMRB-StyleGAN2 with its block and with its rivals
made equal in size; `supervision` the stages of its self-supervision; `plug` GPEN with and without the block.

Every variant sees the same number of images: the prior takes its share of the budget, the restorer the rest, and one
without a prior takes all of it. Each is judged on faces of people that it never saw, beside the input, bicubic and the
oracle, by networks that are in no loss. Interrupted, the same command goes on where it stopped.

Said before anything was trained: GPEN's full and noise-add end above without-noise and without-finetuning; full and
noise-add are too close to tell apart here. Of MMRB nothing was foretold.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open

from bfrbench import atomic
from bfrbench.bench import api
from bfrbench.bench.scorecard import FILE, MetricResult, read
from bfrbench.errors import NotComparable, UnknownName
from bfrbench.training import start
from bfrbench.training.journal import read_stats
from bfrbench.training.order import Order

PROTOCOL = "small-networks"
SHOWN = ("psnr", "ssim", "lmd", "retinaface-distance", "recognition-frechet", "ids")
BASELINES = ("input", "bicubic", "oracle")
ENOUGH_SEEDS = 3
_VARIANCE = "restorer/styles/variance"
EQUAL = {"resblock": 1.5, "msrb": 0.326}
"""Widths at which a rival's network has MMRB's parameters and, within 2 %, operations (benchmarks/mmrb.py rivals)."""


@dataclass(frozen=True)
class Variant:
    """A row of the table: what is trained, and from which prior (None: from none)."""

    name: str
    recipe: str
    prior: tuple[str, str] | None
    """Its recipe and how noise enters it."""
    settings: tuple[str, ...] = ()

    @property
    def restorer(self) -> str:
        return {"gpen-finetune": "gpen"}.get(self.recipe, self.recipe)


@dataclass(frozen=True)
class Suite:
    variants: tuple[Variant, ...]
    pairs: tuple[tuple[str, str], ...]
    """Which two are compared in words."""


def _gpen(name: str, noise: str | None, network: str) -> Variant:
    prior = None if noise is None else ("gpen-prior", noise)
    return Variant(name, "gpen-finetune", prior, (f"task.variant={network}",))


def _mmrb(name: str, *settings: str) -> Variant:
    return Variant(name, "mmrb", ("stylegan2-prior", "add"), settings)


ALL_STAGES = _mmrb("mmrb")
SUITES = {
    "gpen": Suite(
        (
            _gpen("full", "concat", "full"),
            _gpen("noise-add", "add-wide", "noise-add"),
            _gpen("without-noise", "none", "without-noise"),
            _gpen("without-finetuning", "concat", "without-finetuning"),
            _gpen("no-prior", None, "full"),
        ),
        (
            ("full", "noise-add"),
            ("full", "without-noise"),
            ("full", "without-finetuning"),
            ("noise-add", "without-noise"),
            ("noise-add", "without-finetuning"),
            ("full", "no-prior"),
        ),
    ),
    "blocks": Suite(
        (
            ALL_STAGES,
            *(_mmrb(block, f"task.block={block}", f"task.width={width}") for block, width in EQUAL.items()),
        ),
        tuple(("mmrb", block) for block in EQUAL),
    ),
    "supervision": Suite(
        (
            ALL_STAGES,
            _mmrb("s0+s1", "task.two_views=false"),
            _mmrb("s0", "task.two_views=false", "task.teacher=false"),
            _mmrb("none", "task.two_views=false", "task.teacher=false", "task.warm_up=false"),
        ),
        (("mmrb", "s0+s1"), ("mmrb", "s0"), ("mmrb", "none")),
    ),
    "plug": Suite(
        (_gpen("full", "concat", "full"), Variant("gpen-mmrb", "gpen-mmrb", ("gpen-prior", "concat"))),
        (("gpen-mmrb", "full"),),
    ),
}


def trained(what: Order, out: Path) -> Path:
    """The weights of a training that is done, gone on with, or started."""
    result = out / "result.safetensors"
    if result.is_file():
        with safe_open(result, framework="pt") as file:
            made = json.loads(file.metadata()["training"])
        if made["order"] != what.digest or not 0 <= made["images"] - what.recipe.run.images < what.recipe.run.batch:
            raise NotComparable(f"{out} was trained with other options than these", "give another folder with --out")
        return result
    return start.train(what, out, resume=(out / "order.json").is_file())


def sets(recipe: str, seed: int, images: int, own: Iterable[str], options: argparse.Namespace) -> list[str]:
    """Settings of one training: those that all share, its own, then the user's, of its recipe or of all."""
    run = (
        f"run.seed={seed}",
        f"run.images={images}",
        f"run.batch={options.batch}",
        f"run.log_every={options.log_every}",
    )
    shared = ("run.cache=ram", "task.multiplier=1", f"task.narrow={options.narrow}")
    words = [word.rpartition(":") for word in options.set]
    return [*run, *shared, *own, *(word for of, _, word in words if of in ("", recipe))]


def prior(recipe: str, noise: str, seed: int, options: argparse.Namespace) -> Path:
    """The run of stage 1; variants whose priors are alike share it."""
    chosen = sets(recipe, seed, of_prior(options), (f"task.noise={noise}",), options)
    what = Order.of(f"{recipe}@{options.size}", options.data, sets=chosen, device=options.device)
    out: Path = options.out / "priors" / f"{noise}-{seed}"
    trained(what, out)
    return out


def restorer(variant: Variant, seed: int, options: argparse.Namespace) -> Path:
    """The weights of stage 2."""
    images, own = options.budget, [*variant.settings, f"degradation={degradation(options.size)}"]
    if variant.prior is None:
        own.append("task.prior=none")
    else:
        images -= of_prior(options)
        own.append(f"task.prior={prior(*variant.prior, seed, options)}")
    chosen = sets(variant.recipe, seed, images, own, options)
    what = Order.of(f"{variant.recipe}@{options.size}", options.data, sets=chosen, device=options.device)
    return trained(what, options.out / "restorers" / f"{variant.name}-{seed}")


def of_prior(options: argparse.Namespace) -> int:
    """Images of the budget that the prior sees: whole batches."""
    return round(options.budget * options.prior_share / options.batch) * options.batch


def degradation(size: int) -> str:
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
        f'degradation = "{degradation(options.size)}"',
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


def verdicts(found: Mapping[str, Sequence[Results]], pairs: Iterable[tuple[str, str]]) -> list[str]:
    """Of each pair: above, below, or not separable."""
    lines = []
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
    values = [[one[metric].value for one in side] for side in (first, second)]
    if any(value is None for side in values for value in side):
        return "not measured"
    ours, theirs = ([sign * value for value in side if value is not None] for side in values)
    if min(ours) > max(theirs):
        return "better"
    return "worse" if max(ours) < min(theirs) else "not separable"


def course(name: str, seeds: Iterable[int], options: argparse.Namespace) -> list[str]:
    """Of each seed of a variant that logs it: how w+ varied between people at the end; and what went wrong."""
    lines = []
    for seed in seeds:
        stats = read_stats(options.out / "restorers" / f"{name}-{seed}")
        varied = [float(line[_VARIANCE]) for line in stats if _VARIANCE in line]
        if varied:
            norms = [float(line["restorer/gradient"]) for line in stats if "restorer/gradient" in line]
            first = f"{varied[0]:.2e} at first, " if len(varied) > 1 else ""
            lines.append(
                f"- {name}, seed {seed}: variance of w+ between people {first}{varied[-1]:.2e} at the end; "
                f"gradient norm at most {max(norms):.2f}"
            )
    return lines


def table(
    baselines: Mapping[str, Results],
    found: Mapping[str, Sequence[Results]],
    pairs: Iterable[tuple[str, str]],
    options: argparse.Namespace,
) -> str:
    first = next(iter([*baselines.values(), *(some[0] for some in found.values())]))
    arrows = [f"{name} {'↑' if first[name].higher_is_better else '↓'}" for name in SHOWN]
    about = (
        f"{options.size} px, narrow {options.narrow:g}, {options.budget:,} images each ({of_prior(options):,} of them "
        f"the prior's), trained on {' and '.join(options.data)}, judged on {options.test} × {degradation(options.size)}"
        f"{f' (the first {options.limit})' if options.limit else ''} by {PROTOCOL}; seeds "
        f"{', '.join(map(str, options.seeds))}. In brackets: the range over seeds, or of a single row its "
        f"95 % interval over people."
    )
    head = ["| | seeds | " + " | ".join(arrows) + " |", "|" + "---|" * (len(SHOWN) + 2)]
    rows = [row(name, [one]) for name, one in baselines.items()] + [row(name, some) for name, some in found.items()]
    courses = [line for name, some in found.items() for line in course(name, options.seeds[: len(some)], options)]
    return "\n".join([about, "", *head, *rows, "", *verdicts(found, pairs), *courses, ""])


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("suites", nargs="+", choices=SUITES)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--narrow", type=float, default=0.125)
    parser.add_argument("--budget", type=int, default=400_000, help="images that each variant sees, prior included")
    parser.add_argument("--prior-share", type=float, default=0.6)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--variants", nargs="+", help="these rows only")
    parser.add_argument("--baselines", nargs="*", choices=BASELINES, default=BASELINES, help="beside what is trained")
    parser.add_argument("--data", nargs="+", default=["lfw128:train"])
    parser.add_argument("--test", default="lfw128:test")
    parser.add_argument("--limit", type=int, help="judge on the first faces only")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--log-every", type=int, default=1000)
    parser.add_argument(
        "--set",
        nargs="*",
        default=[],
        help="settings of all trainings (run.workers=1) or of a recipe's (mmrb:task.lr=1e-3)",
    )
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--device", default="cpu")
    return parser.parse_args()


def main() -> None:
    options = arguments()
    # This script's folder comes first on the path, and its datasets.py would hide the library datasets.
    sys.path[:] = [path for path in sys.path if Path(path or ".").resolve() != Path(__file__).resolve().parent]
    torch.set_num_threads(options.threads)
    suites = [SUITES[name] for name in options.suites]
    variants = {variant.name: variant for suite in suites for variant in suite.variants}
    chosen = options.variants or list(variants)
    if unknown := set(chosen) - set(variants):
        raise UnknownName("variant", min(unknown), variants)
    pairs = [pair for suite in suites for pair in suite.pairs]
    baselines = {name: judged(name, name, options) for name in options.baselines}
    found: dict[str, list[Results]] = {}
    for seed in options.seeds:  # seed by seed, so that what there is at any moment compares
        for name in chosen:
            weights = restorer(variants[name], seed, options)
            ref = f"{variants[name].restorer}:{weights}"
            found.setdefault(name, []).append(judged(ref, f"{name}-{seed}", options))
            atomic.write_text(options.out / "table.md", table(baselines, found, pairs, options))
    print((options.out / "table.md").read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
