"""A full GAN step of GPEN's training against the straightforward formulation of its networks, in the same loop.

The rival has the same weights, losses, optimisers and loop; only its layers are written as StyleGAN2 usually is in
plain torch: every sample gets weights of its own in a grouped convolution, filters run over images stuffed with zeros,
nothing is fused. Each phase of the step is timed in interleaved rounds and counted as often as it runs (R1 in one step
of 16, path length in one of 4). Losses and gradients of both are asserted to be equal before anything is timed.

    python benchmarks/training.py                        # 128 and 256 px, batch 4, two threads
    python benchmarks/training.py --device cuda --precision bfloat16 --batch 16 --workers 8 --steps 100
"""

from __future__ import annotations

import argparse
import math
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from typing import cast

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bfrbench.nn import Blur, ConvLayer, ModulatedConv2d, StyledConv, ToRGB, Upsample
from bfrbench.plugins import PluginHost
from bfrbench.training import start
from bfrbench.training.feeding import Feed
from bfrbench.training.journal import Journal, read_stats
from bfrbench.training.loop import Seen, Trainer, numbers
from bfrbench.training.order import Order
from bfrbench.training.ranks import Ranks, means
from bfrbench.training.task import Faces

SEED = 11
RECIPE = "gpen-finetune"
SETTINGS = (
    "task.multiplier=1",
    "task.narrow=0.5",
    "task.path_weight=2",
    "task.prior=none",
    f"run.seed={SEED}",
)


class PlainBlur(Blur):
    def forward(self, x: Tensor) -> Tensor:
        out = upfirdn(x, self.kernel, up=1, pad=(self.padding, self.padding))
        return out if self.stride == 1 else out[:, :, :: self.stride, :: self.stride]


class PlainUpsample(Upsample):
    def forward(self, x: Tensor) -> Tensor:
        return upfirdn(x, self.kernel, up=2, pad=(2, 1))


class PlainConvLayer(ConvLayer):
    def forward(self, x: Tensor) -> Tensor:
        parts = list(self)
        bias = parts.pop() if self._activate else None
        for part in parts[:-1]:
            x = part(x)
        conv = parts[-1]
        out = F.conv2d(x.contiguous(), conv.weight * conv.scale, stride=conv.stride, padding=conv.padding)
        return out if bias is None else activated(out, bias.bias)


class PlainModulatedConv2d(ModulatedConv2d):
    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        _, channels_out, channels_in, side, _ = self.weight.shape
        count, _, height, width = x.shape
        weight = self.weight * self.scale * self.modulation(w).view(count, 1, channels_in, 1, 1)
        if self.demodulate:
            weight = weight * torch.rsqrt(weight.square().sum((2, 3, 4), keepdim=True) + 1e-8)
        x = x.reshape(1, count * channels_in, height, width)
        if self.blur is not None:
            weight = weight.transpose(1, 2).reshape(count * channels_in, channels_out, side, side)
            out = F.conv_transpose2d(x, weight, stride=2, groups=count)
            return self.blur(out.view(count, channels_out, *out.shape[-2:]))
        weight = weight.view(count * channels_out, channels_in, side, side)
        return F.conv2d(x, weight, padding=self.padding, groups=count).view(count, channels_out, height, width)


class PlainStyledConv(StyledConv):
    def forward(self, x: Tensor, w: Tensor, noise: Tensor | None, *, overwrite: bool = False) -> Tensor:
        out = self.conv(x, w)
        assert self.noise is not None and self.form == "concat"
        drawn = torch.randn_like(out) if noise is None else noise
        return activated(torch.cat((out, self.noise.weight * drawn), dim=1), self.activate.bias)


class PlainToRGB(ToRGB):
    def forward(self, x: Tensor, w: Tensor, image: Tensor | None = None) -> Tensor:
        out = self.conv(x, w) + self.bias
        return out if image is None or self.upsample is None else out + self.upsample(image)


PLAIN: dict[type[nn.Module], type[nn.Module]] = {
    Blur: PlainBlur,
    Upsample: PlainUpsample,
    ConvLayer: PlainConvLayer,
    ModulatedConv2d: PlainModulatedConv2d,
    StyledConv: PlainStyledConv,
    ToRGB: PlainToRGB,
}


def activated(x: Tensor, bias: Tensor) -> Tensor:
    return F.leaky_relu(x + bias.view(1, -1, 1, 1), 0.2) * math.sqrt(2)


def upfirdn(x: Tensor, kernel: Tensor, *, up: int, pad: tuple[int, int]) -> Tensor:
    """Zeros between samples, zeros around, then the filter: literally what the name says."""
    count, channels, height, width = x.shape
    x = x.reshape(-1, 1, height, 1, width, 1)
    x = F.pad(x, [0, up - 1, 0, 0, 0, up - 1])
    x = x.view(-1, 1, height * up, width * up)
    x = F.pad(x, [pad[0], pad[1], pad[0], pad[1]])
    x = F.conv2d(x, torch.flip(kernel, [0, 1])[None, None].to(x.dtype))
    return x.view(count, channels, *x.shape[-2:])


def plainly(network: nn.Module) -> None:
    """The same modules with the same tensors, computing in the textbook's way."""
    for module in network.modules():
        module.__class__ = PLAIN.get(type(module), type(module))


def order(size: int, options: argparse.Namespace, data: str, images: int) -> Order:
    timing = (f"run.batch={options.batch}", f"run.precision={options.precision}", f"run.images={images}")
    sets = (*SETTINGS, *timing, f"run.log_every={options.batch}", "run.flip=false")
    return Order.of(f"{RECIPE}@{size}", [data], sets=(*sets, f"run.workers={options.workers}"), device=options.device)


def trainer_of(what: Order, out: Path, device: torch.device) -> Trainer:
    task, nothing = start.build(what, device), cast(Feed, None)
    journal = Journal(out, what.recipe.run, PluginHost(), active=False)
    return Trainer(task, what.recipe.run, nothing, Ranks(), device, journal, out)


def faces_of(options: argparse.Namespace, size: int) -> Faces:
    generator = torch.Generator().manual_seed(SEED)
    sharp, blurred = (torch.rand(options.batch, 3, size, size, generator=generator) * 2 - 1 for _ in range(2))
    return Faces(sharp.to(options.device), blurred.to(options.device))


def assert_equal(ours: Trainer, theirs: Trainer, faces: Faces, tolerance: float) -> None:
    """Losses and the size of the gradients of every phase, with all rates at nothing so that weights stay equal."""
    for trainer in (ours, theirs):
        for optimiser in trainer.task.optimisers.values():
            for group in optimiser.param_groups:
                group["lr"] = 0.0
    for index, phase in enumerate(ours.phases):
        found = [descend(trainer, index, faces) for trainer in (ours, theirs)]
        for name, value in found[0].items():
            other = found[1][name]
            if abs(value - other) > tolerance * max(abs(value), 1e-6):
                raise SystemExit(f"{phase.name}: {name} is {value:.8g} here and {other:.8g} there")
    for trainer in (ours, theirs):
        trainer._set_rates()


def descend(trainer: Trainer, index: int, faces: Faces) -> dict[str, float]:
    seen: Seen = defaultdict(list)
    trainer._descend(index, trainer.phases[index], [(0, faces)], seen)
    return means([numbers(seen)])


def seconds(trainer: Trainer, index: int, faces: Faces) -> npt.NDArray[np.float64]:
    """On the clock, and of the processor: the second hardly feels other programs beside."""
    synchronise(faces)
    started, worked = time.perf_counter(), time.process_time()
    descend(trainer, index, faces)
    synchronise(faces)
    return np.array([time.perf_counter() - started, time.process_time() - worked])


def synchronise(faces: Faces) -> None:
    if faces.gt.is_cuda:
        torch.cuda.synchronize()


def compare(size: int, options: argparse.Namespace, scratch: Path) -> None:
    """Print what each phase takes in both, and a whole step with every phase as often as it runs."""
    device, faces = torch.device(options.device), faces_of(options, size)
    what = order(size, options, "unused", options.batch)
    ours, theirs = (trainer_of(what, scratch / name, device) for name in ("ours", "theirs"))
    for network in theirs.task.networks.values():
        plainly(network)
    assert_equal(ours, theirs, faces, 1e-3 if options.precision == "float32" else 0.1)
    whole = np.zeros((2, 2))
    for index, phase in enumerate(ours.phases):
        rounds = [[seconds(trainer, index, faces) for trainer in (ours, theirs)] for _ in range(options.repeats)]
        taken = np.median(rounds, axis=0) / options.batch
        say(size, phase.name, f"1/{phase.every}", taken)
        whole += taken / phase.every
    say(size, "whole step", "", whole)


def say(size: int, what: str, runs: str, taken: npt.NDArray[np.float64]) -> None:
    (ours, our_work), (theirs, their_work) = taken
    clock = f"{ours:10.4f} {theirs:10.4f} {theirs / ours:6.2f}"
    print(f"{size:>5}  {what:14} {runs:5} {clock} {our_work:8.4f} {their_work / our_work:7.2f}", flush=True)


def waiting(size: int, options: argparse.Namespace, scratch: Path) -> float:
    """The share of its time that a real training waits for its data, which workers read and degrade. The first step,
    which waits for the workers to start, does not count."""
    folder = scratch / f"images-{size}"
    folder.mkdir()
    draw_images(folder, size)
    out = scratch / f"run-{size}"
    start.train(order(size, options, str(folder), options.steps * options.batch), out)
    timings = [line["timing"] for line in read_stats(out) if "timing" in line][1:]
    taken = [1 / timing["images-per-second"] for timing in timings]
    waited = [timing["waiting-for-data"] * each for timing, each in zip(timings, taken, strict=True)]
    return float(sum(waited) / sum(taken))


def draw_images(folder: Path, size: int) -> None:
    """Pieces of a photograph, so that files are as large as photographs' are."""
    from skimage.data import astronaut

    from bfrbench.imaging.write import write_image

    photo, random = astronaut(), np.random.default_rng(SEED)
    for index in range(32):
        top, left = random.integers(0, 512 - size + 1, 2)
        write_image(folder / f"{index:02}.png", photo[top : top + size, left : left + size])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[128, 256])
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--steps", type=int, default=8, help="of the training whose waiting is measured")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--precision", default="float32")
    options = parser.parse_args()
    # This script's folder comes first on the path, and its datasets.py would hide the library datasets.
    sys.path[:] = [path for path in sys.path if Path(path or ".").resolve() != Path(__file__).resolve().parent]
    torch.set_num_threads(options.threads)
    print(f"{RECIPE}, {options.device}, {options.precision}, {options.threads} threads, batch {options.batch}")
    print(
        f"{'size':>5}  {'phase':14} {'runs':5} {'ours s/img':>10} {'plain':>10} {'ratio':>6} {'CPU s':>8} {'ratio':>7}"
    )
    with tempfile.TemporaryDirectory() as scratch:
        for size in options.sizes:
            compare(size, options, Path(scratch))
            print(f"{size:>5}  waiting for data {waiting(size, options, Path(scratch)):.1%} of a training's time")


if __name__ == "__main__":
    main()
