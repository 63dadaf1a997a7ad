"""What the bench costs over a bare loop of the same restorer and metrics, and what overlapping its stages gains.

    python benchmarks/run.py                 # overhead and overlap
    python benchmarks/run.py --device cuda   # the same on a GPU
    python benchmarks/run.py --first         # seconds from the command line to the first scored images
    python benchmarks/run.py --memory        # 1,000 against 50,000 images of 64-px noise, `input`, PSNR only

Sides are measured in turns in one run, so that a noisy machine disturbs them alike; ratios are of medians. Overhead is
measured over few images and over many, which tells what each image costs from what each run does. Both sides must come
to the same numbers, and do so only when the restorer is given the same memory layout: a convolution may take half
as long again in another one.
"""

from __future__ import annotations

import argparse
import itertools
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

os.environ.setdefault("BFRBENCH_QUIET", "1")

import numpy as np
import torch

from bfrbench import digests
from bfrbench.bench.board import Board
from bfrbench.bench.inputs import prepare
from bfrbench.bench.intervals import rounded
from bfrbench.bench.plan import make_plan
from bfrbench.bench.run import execute
from bfrbench.bench.settings import Settings
from bfrbench.bench.stage import Stage, load_board_recipe
from bfrbench.contracts import Batch, Row, Sample, Scored
from bfrbench.metrics import Scorer, finalise, load_protocol

BATCH, SHARD, SIZE = 8, 64, 256


@dataclass(frozen=True)
class Noise:
    """Seeded noise: nothing to read, so that what is measured is the bench."""

    count: int
    size: int

    @property
    def ids(self) -> tuple[str, ...]:
        return tuple(f"{number:06d}" for number in range(self.count))

    def __getitem__(self, image_id: str) -> Sample:
        random = np.random.default_rng(int(image_id))
        return Sample(image_id, random.integers(0, 256, (self.size, self.size, 3), dtype=np.uint8))


class Network(torch.nn.Module):
    """A small convolutional restorer with seeded weights: work of a known kind, no claim about quality."""

    def __init__(self, width: int = 48) -> None:
        super().__init__()
        torch.manual_seed(0)
        sides = [3, width, width, width, 3]
        self.layers = torch.nn.ModuleList(torch.nn.Conv2d(i, o, 3, padding=1) for i, o in itertools.pairwise(sides))

    def restore(self, batch: Batch) -> torch.Tensor:
        out = batch.lq
        for layer in self.layers[:-1]:
            out = torch.relu(layer(out))
        return (batch.lq + 0.01 * self.layers[-1](out)).clamp(0, 1)


def stage_of(count: int, size: int, degradation: str, metrics: tuple[str, ...]) -> Stage:
    board = Board.model_validate(
        {
            "name": "overhead",
            "title": "t",
            "summary": "s",
            "dataset": "noise",
            "size": size,
            "degradation": degradation,
            "protocol": "basic-v1",
            "layout": {"batch": BATCH, "shard": SHARD},
        }
    )
    recipe = load_board_recipe(board)
    protocol = load_protocol("basic-v1").only(metrics)
    return Stage(
        board, Noise(count, size), digests.of_data(["noise", count]), recipe, protocol, recipe is not None, False
    )


Numbers = dict[str, float | None]


def bare(stage: Stage, network: Network, threads: int, device: str) -> Numbers:
    """The loop that a user would write: read, degrade, restore, round, score; one batch after the other."""
    torch.set_num_threads(threads)
    scorer = Scorer(stage.protocol, device)
    ids = stage.dataset.ids
    rows: dict[str, list[Row]] = {metric.rows: [] for metric in scorer.metrics}
    for start in range(0, len(ids), BATCH):
        some = [prepare(stage, image_id) for image_id in ids[start : start + BATCH]]
        lq, gt = (_tensor([getattr(one, name) for one in some]).to(device) for name in ("lq", "gt"))
        batch = Batch(tuple(one.id for one in some), lq, tuple(one.seed for one in some))
        with torch.inference_mode():
            restored = network.restore(batch).clamp(0, 1).mul(255).add(0.5).floor().div(255)
        for name, some in scorer.rows(Scored(batch.ids, lq, restored, gt=gt)).items():
            rows[name] += some
    return {metric.name: rounded(finalise(metric, rows[metric.rows]).value) for metric in scorer.metrics}


def _tensor(images: list[np.ndarray]) -> torch.Tensor:
    return torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).contiguous().float().div(255)


def bench(stage: Stage, network: Network, threads: int, device: str, *, overlapped: bool) -> Numbers:
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(out=Path(folder) / "run", threads=threads, readers=2 if overlapped else 0, device=device)
        card = execute(make_plan(network, stage, settings, name="network"))
    return {name: found.value for name, found in card.results.metrics.items()}


@dataclass(frozen=True)
class Taken:
    """Seconds by the clock, and of all cores together: the second hardly notices what else the machine does."""

    wall: float
    cpu: float


def measure(sides: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, Taken]:
    """Medians of each side, taken in turns."""
    taken: dict[str, list[Taken]] = {name: [] for name in sides}
    for _ in range(rounds):
        for name, side in sides.items():
            _wait()
            wall, cpu = time.perf_counter(), _cpu()
            side()
            _wait()
            taken[name].append(Taken(time.perf_counter() - wall, _cpu() - cpu))
    return {
        name: Taken(statistics.median(one.wall for one in some), statistics.median(one.cpu for one in some))
        for name, some in taken.items()
    }


def _wait() -> None:
    """Until a GPU has done what it was given."""
    if torch.cuda.is_initialized():
        torch.cuda.synchronize()


def _cpu() -> float:
    """Of this process and of the children that have ended."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def overhead(few: int, many: int, rounds: int, threads: int, device: str) -> None:
    """Each side over few images and over many: the difference is what images cost, the rest what a run costs.

    Columns: images per second, seconds, time and CPU seconds as ratios to the bare loop's, all over the many images;
    the time of one image as such a ratio; the fixed seconds of a run.
    """
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    network = Network().to(device)
    sides: dict[str, Callable[[Stage], Numbers]] = {
        "bare loop": lambda stage: bare(stage, network, threads, device),
        "bench, one after the other": lambda stage: bench(stage, network, threads, device, overlapped=False),
        "bench, overlapped": lambda stage: bench(stage, network, threads, device, overlapped=True),
    }
    warm = _stage(BATCH)
    numbers = {name: side(warm) for name, side in sides.items()}
    wrong = 0.0 if device == "cpu" else 1e-4  # a GPU may add up in another order
    base = numbers["bare loop"]
    if any(abs(found[name] - base[name]) > wrong * abs(base[name]) for found in numbers.values() for name in base):
        raise SystemExit(f"the sides do not do the same: {numbers}")
    print(f"images of {SIZE} px, gfpgan@{SIZE}, PSNR + SSIM + MS-SSIM, {device}, {threads} threads, median of {rounds}")
    print(f"{'':28} {'images/s':>9} {'seconds':>9} {'of bare':>9} {'CPU':>9} {'an image':>9} {'fixed s':>9}")
    taken = {
        count: measure({name: partial(side, _stage(count)) for name, side in sides.items()}, rounds)
        for count in (few, many)
    }
    first = taken[many]["bare loop"]
    each = {name: (taken[many][name].wall - taken[few][name].wall) / (many - few) for name in sides}
    for name in sides:
        one = taken[many][name]
        ratios = one.wall / first.wall, one.cpu / first.cpu, each[name] / each["bare loop"]
        shown = (many / one.wall, one.wall, *ratios, one.wall - many * each[name])
        print(f"  {name:26} " + " ".join(f"{number:9.2f}" for number in shown))


def _stage(count: int) -> Stage:
    return stage_of(count, SIZE, f"gfpgan@{SIZE}", ("psnr", "ssim", "ms-ssim"))


FIRST = """
import sys, time
from bfrbench.bench.work import Work
kept = Work._add
def first(self, *rest):
    kept(self, *rest)
    raise SystemExit(0)
Work._add = first
from bfrbench.cli import main
main(sys.argv[1:])
"""
BARE_FIRST = """
import cv2, numpy, torch
import PIL.Image
from bfrbench.metrics import Scorer, load_protocol
Scorer(load_protocol("basic-v1"))
"""


def first_image(rounds: int) -> None:
    """Seconds from the command line to the first scored batch of studio-ci, beside importing what it needs."""

    def run(code: str, *words: str) -> None:
        with tempfile.TemporaryDirectory() as folder:
            command = [sys.executable, "-c", code, *(word.format(out=f"{folder}/run") for word in words)]
            subprocess.run(command, check=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    sides = {
        "importing torch alone": lambda: run("import torch"),
        "imports and metrics alone": lambda: run(BARE_FIRST),
        "to the first scored batch": lambda: run(FIRST, "run", "input", "--board", "studio-ci", "--out", "{out}"),
    }
    for side in sides.values():
        side()
    for name, one in measure(sides, rounds).items():
        print(f"  {name:28} {one.wall:6.2f} s   {one.cpu:6.2f} CPU seconds")


MEMORY = """
import sys
sys.path.insert(0, {here!r})
from run import bench_input, peak
bench_input({count})
print(peak())
"""


def peak() -> int:
    """Bytes at the peak of this program alone; ru_maxrss would begin at what its parent held."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) * 1024


def bench_input(count: int) -> None:
    """`input` on 64-px noise, PSNR only."""
    stage = stage_of(count, 64, "gfpgan@64", ("psnr",))
    with tempfile.TemporaryDirectory() as folder:
        execute(make_plan("input", stage, Settings(out=Path(folder) / "run", threads=1)))


def memory(counts: tuple[int, ...]) -> None:
    here = str(Path(__file__).parent)
    peaks = {}
    for count in counts:
        started = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-c", MEMORY.format(here=here, count=count)], capture_output=True, text=True, check=True
        )
        peaks[count] = int(done.stdout.splitlines()[-1])
        rate = count / (time.perf_counter() - started)
        print(f"  {count:7} images: peak {peaks[count] / 2**20:7.0f} MiB, {rate:7.0f} images/s with the start")
    first, last = counts[0], counts[-1]
    grown = peaks[last] - peaks[first]
    print(f"  {last // first} times the images: {grown / 2**20:+.0f} MiB ({grown / (last - first):.0f} bytes an image)")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, nargs=2, default=[64, 256], metavar=("FEW", "MANY"))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--device", default="cpu", help="cpu or cuda: of overhead and overlap")
    parser.add_argument("--first", action="store_true", help="measure the start to the first images instead")
    parser.add_argument("--memory", action="store_true", help="measure memory instead")
    parser.add_argument("--counts", type=int, nargs="+", default=[1_000, 50_000])
    chosen = parser.parse_args()
    if chosen.memory:
        memory(tuple(chosen.counts))
    elif chosen.first:
        first_image(chosen.rounds)
    else:
        overhead(*chosen.images, chosen.rounds, chosen.threads, chosen.device)


if __name__ == "__main__":
    main()
