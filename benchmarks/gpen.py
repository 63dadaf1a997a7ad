"""GPEN's forward pass against the straightforward formulation, side by side in one run.

The rival is StyleGAN2 as it is usually written in plain torch: every sample gets weights of its own in a grouped
convolution, and filters run over images stuffed with zeros. Both have the same seeded weights and inputs. Times are
medians of interleaved rounds; the peak is the memory that one pass needs beyond network and input, in a process of its
own (resident memory, so this needs Linux; on a GPU, what the allocator peaked at, in this process: a recorded graph
holds its memory between passes, and shows none here). A GPU's float32 is float32: TF32 is off.

    python benchmarks/gpen.py                    # GPEN-512, batch 1 and 4, two threads
    python benchmarks/gpen.py --size 256 --batches 1 8 --repeats 5
    python benchmarks/gpen.py --device cuda --precision bfloat16 --batches 1 8
"""

from __future__ import annotations

import argparse
import math
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
import torch.nn.functional as F
from bfrbench_gpen.network import Gpen, GpenShape
from torch import Tensor

from bfrbench.nn import frozen

SEED = 2021


class Straightforward:
    """The same function from the same tensors, written the usual way."""

    def __init__(self, network: Gpen) -> None:
        self.depth, self.blocks = network.depth, len(network.generator.to_rgbs)
        self.state = {key: value.detach().clone() for key, value in network.state_dict().items()}
        taps = torch.tensor([1.0, 3.0, 3.0, 1.0], device=self.state["generator.input.input"].device)
        self.kernel = torch.outer(taps, taps) / 64

    def __call__(self, image: Tensor) -> Tensor:
        x, skips = image, []
        for level in range(self.depth):
            x = self.encode(x, f"ecd{level}.0", down=level > 0)
            skips.append(x)
        z = F.leaky_relu(self.linear(x.flatten(1), "final_linear.0"), 0.2) * math.sqrt(2)
        z = z * torch.rsqrt(z.square().mean(dim=1, keepdim=True) + 1e-8)
        for layer in range(1, 9):
            z = F.leaky_relu(self.linear(z, f"generator.style.{layer}", lr_mul=0.01), 0.2) * math.sqrt(2)
        maps = [skip for skip in skips for _ in range(2)][::-1][1:]
        x = self.state["generator.input.input"].repeat(len(image), 1, 1, 1)
        x = self.styled(x, z, maps[0], "generator.conv1")
        rgb = self.to_rgb(x, z, None, "generator.to_rgb1")
        for block in range(self.blocks):
            x = self.styled(x, z, maps[2 * block + 1], f"generator.convs.{2 * block}", up=True)
            x = self.styled(x, z, maps[2 * block + 2], f"generator.convs.{2 * block + 1}")
            rgb = self.to_rgb(x, z, rgb, f"generator.to_rgbs.{block}")
        return rgb

    def linear(self, x: Tensor, name: str, lr_mul: float = 1.0) -> Tensor:
        weight = self.state[f"{name}.weight"]
        return F.linear(x, weight * (lr_mul / math.sqrt(weight.shape[1])), self.state[f"{name}.bias"] * lr_mul)

    def activate(self, x: Tensor, bias: Tensor) -> Tensor:
        return F.leaky_relu(x + bias.view(1, -1, 1, 1), 0.2) * math.sqrt(2)

    def encode(self, x: Tensor, name: str, *, down: bool) -> Tensor:
        if down:
            x = upfirdn(x, self.kernel, up=1, pad=(2, 2))
        weight = self.state[f"{name}.{int(down)}.weight"]
        weight = weight / math.sqrt(weight[0].numel())
        x = F.conv2d(x, weight, stride=2 if down else 1)
        return self.activate(x, self.state[f"{name}.{int(down) + 1}.bias"])

    def modulated(self, x: Tensor, w: Tensor, name: str, *, up: bool = False, demodulate: bool = True) -> Tensor:
        weight = self.state[f"{name}.weight"]
        _, channels_out, channels_in, side, _ = weight.shape
        count, _, height, width = x.shape
        style = self.linear(w, f"{name}.modulation").view(count, 1, channels_in, 1, 1)
        weight = weight / math.sqrt(channels_in * side**2) * style
        if demodulate:
            weight = weight * torch.rsqrt(weight.square().sum((2, 3, 4), keepdim=True) + 1e-8)
        x = x.reshape(1, count * channels_in, height, width)
        if up:
            weight = weight.transpose(1, 2).reshape(count * channels_in, channels_out, side, side)
            x = F.conv_transpose2d(x, weight, stride=2, groups=count)
            x = x.view(count, channels_out, *x.shape[-2:])
            return upfirdn(x, self.kernel * 4, up=1, pad=(1, 1))
        weight = weight.view(count * channels_out, channels_in, side, side)
        x = F.conv2d(x, weight, padding=side // 2, groups=count)
        return x.view(count, channels_out, height, width)

    def styled(self, x: Tensor, w: Tensor, noise: Tensor, name: str, *, up: bool = False) -> Tensor:
        x = self.modulated(x, w, f"{name}.conv", up=up)
        x = torch.cat((x, self.state[f"{name}.noise.weight"] * noise), dim=1)
        return self.activate(x, self.state[f"{name}.activate.bias"])

    def to_rgb(self, x: Tensor, w: Tensor, rgb: Tensor | None, name: str) -> Tensor:
        out = self.modulated(x, w, f"{name}.conv", demodulate=False) + self.state[f"{name}.bias"]
        return out if rgb is None else out + upfirdn(rgb, self.kernel * 4, up=2, pad=(2, 1))


def upfirdn(x: Tensor, kernel: Tensor, *, up: int, pad: tuple[int, int]) -> Tensor:
    """Zeros between samples, zeros around, then the filter: literally what the name says."""
    count, channels, height, width = x.shape
    x = x.reshape(-1, 1, height, 1, width, 1)
    x = F.pad(x, [0, up - 1, 0, 0, 0, up - 1])
    x = x.view(-1, 1, height * up, width * up)
    x = F.pad(x, [pad[0], pad[1], pad[0], pad[1]])
    x = F.conv2d(x, torch.flip(kernel, [0, 1])[None, None])
    return x.view(count, channels, *x.shape[-2:])


@dataclass(frozen=True)
class Contender:
    """A way of computing the same pictures."""

    name: str
    run: Callable[[Tensor], Tensor]


def seeded(size: int, device: str) -> Gpen:
    """Weights of the right statistics: StyleGAN2's own initialisation, biases and noise strengths not zero."""
    torch.manual_seed(SEED)
    shape = GpenShape(size) if size >= 512 else GpenShape(size, multiplier=1.0, narrow=0.5)
    network = Gpen(shape).eval().requires_grad_(False)
    for name, tensor in network.named_parameters():
        if name.endswith("noise.weight"):
            tensor.fill_(0.3)
        elif name.endswith(".bias"):
            tensor.add_(0.1 * torch.randn_like(tensor))
    return network.to(device)


class Captured:
    """A forward pass recorded once as a CUDA graph, and played again for images of the same shape."""

    def __init__(self, run: Callable[[Tensor], Tensor]) -> None:
        self.run, self.graph = run, torch.cuda.CUDAGraph()
        self.given: Tensor | None = None

    def __call__(self, x: Tensor) -> Tensor:
        if self.given is None or self.given.shape != x.shape:
            self.record(x)
        assert self.given is not None
        self.given.copy_(x)
        self.graph.replay()
        return self.out

    def record(self, x: Tensor) -> None:
        self.given, self.graph = x.clone(), torch.cuda.CUDAGraph()
        aside = torch.cuda.Stream()
        aside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(aside):
            for _ in range(3):  # what is chosen and allocated at first must be done before
                self.run(self.given)
        torch.cuda.current_stream().wait_stream(aside)
        with torch.cuda.graph(self.graph):
            self.out = self.run(self.given)


def contenders(network: Gpen, device: str, only: str | None = None, precision: str | None = None) -> list[Contender]:
    """Straightforward first; then ours as it is, frozen, and in the narrow types; on a GPU also compiled and recorded.

    `precision` leaves out the rows of other types, but for the straightforward one.
    """

    def typed(
        dtype: torch.dtype, wrap: Callable[[Gpen], Callable[..., Tensor]] = lambda net: net
    ) -> Callable[..., Tensor]:
        net = wrap(frozen(network, dtype))
        return lambda x: net(x.to(dtype))

    makers: dict[str, Callable[[], Callable[[Tensor], Tensor]]] = {
        "straightforward float32": lambda: Straightforward(network),
        "ours float32, not frozen": lambda: network,
        "ours float32": lambda: typed(torch.float32),
        "ours bfloat16": lambda: typed(torch.bfloat16),
    }
    if device.startswith("cuda"):
        makers["ours float16"] = lambda: typed(torch.float16)
        for name in (precision,) if precision else ("float32", "bfloat16"):
            dtype = getattr(torch, name)
            makers[f"ours {name}, CUDA graph"] = partial(lambda dtype: Captured(typed(dtype)), dtype)
            makers[f"ours {name}, compiled"] = partial(typed, dtype, partial(torch.compile, dynamic=False))
            makers[f"ours {name}, reduce-overhead"] = partial(
                typed, dtype, partial(torch.compile, mode="reduce-overhead", dynamic=False)
            )
    first = next(iter(makers))
    kept = [name for name in makers if only in (None, name) and (name == first or not precision or precision in name)]
    return [Contender(name, makers[name]()) for name in kept]


@dataclass(frozen=True)
class Taken:
    """Medians over the rounds: seconds on the clock, and processor seconds of all threads, which other programs on
    the machine disturb less."""

    wall: float
    work: float


def seconds(run: Callable[[Tensor], Tensor], image: Tensor) -> Taken:
    if image.is_cuda:
        torch.cuda.synchronize()
    started, worked = time.perf_counter(), time.process_time()
    run(image)
    if image.is_cuda:
        torch.cuda.synchronize()
    return Taken(time.perf_counter() - started, time.process_time() - worked)


def inputs(count: int, size: int, device: str) -> Tensor:
    return torch.rand(count, 3, size, size, generator=torch.Generator().manual_seed(SEED)).mul_(2).sub_(1).to(device)


def measure(rivals: list[Contender], image: Tensor, repeats: int) -> dict[str, tuple[Taken, Tensor]]:
    """What each takes and gives, every round running all of them in turn."""
    outputs = {rival.name: rival.run(image).float().cpu() for rival in rivals}
    rounds: dict[str, list[Taken]] = {rival.name: [] for rival in rivals}
    for _ in range(repeats):
        for rival in rivals:
            rounds[rival.name].append(seconds(rival.run, image))
    return {
        name: (
            Taken(statistics.median(one.wall for one in taken), statistics.median(one.work for one in taken)),
            outputs[name],
        )
        for name, taken in rounds.items()
    }


def peak(name: str, options: argparse.Namespace, count: int) -> float:
    """Mebibytes that one pass adds to what the process held when network and input were ready."""
    command = [sys.executable, __file__, "--size", str(options.size), "--threads", str(options.threads)]
    command += ["--device", options.device, "--batches", str(count), "--peak", name]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def allocated(run: Callable[[Tensor], Tensor], image: Tensor) -> float:
    """Mebibytes that a pass adds at its peak on a GPU to what was held there before."""
    run(image)
    torch.cuda.synchronize()
    torch.cuda.reset_peak_memory_stats()
    held = torch.cuda.memory_allocated()
    run(image)
    torch.cuda.synchronize()
    return (torch.cuda.max_memory_allocated() - held) / 2**20


def report_peak(options: argparse.Namespace) -> None:
    """Print the mebibytes that one pass needs beyond network and input."""
    network = seeded(options.size, options.device)
    (rival,) = contenders(network, options.device, only=options.peak)
    image = inputs(options.batches[0], options.size, options.device)
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew here
    held = resident("VmRSS")
    rival.run(image)
    print(resident("VmHWM") - held)


def resident(field: str) -> float:
    """Mebibytes of this process, as Linux counts them."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(field)).split()[1]) / 2**10


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 4])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--precision", choices=("float32", "bfloat16", "float16"), help="only rows of this type")
    parser.add_argument("--peak", help=argparse.SUPPRESS)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    with torch.inference_mode():
        if options.peak:
            report_peak(options)
        else:
            compare(options)


def compare(options: argparse.Namespace) -> None:
    rivals = contenders(seeded(options.size, options.device), options.device, precision=options.precision)
    where = named(options.device)
    print(f"GPEN-{options.size}, {where}, {options.threads} threads, torch {torch.__version__}, seed {SEED}")
    columns = ("CPU s", "ratio", "max rel", "PSNR dB", "peak MiB")
    print(f"{'batch':>5}  {'':28} {'s/image':>8} {'ratio':>6} " + " ".join(f"{name:>8}" for name in columns))
    for count in options.batches:
        image = inputs(count, options.size, options.device)
        found, runs = measure(rivals, image, options.repeats), {rival.name: rival.run for rival in rivals}
        first, truth = found[rivals[0].name]
        for name, (taken, out) in found.items():
            gap = ((out - truth).abs().max() / truth.abs().max()).item()
            psnr = 20 * math.log10(2 / max((out - truth).square().mean().sqrt().item(), 1e-12))
            line = f"{count:>5}  {name:28} {taken.wall / count:8.3f} {first.wall / taken.wall:6.2f}"
            line += f" {taken.work / count:8.3f} {first.work / taken.work:8.2f} {gap:8.1e} {psnr:8.1f}"
            most = allocated(runs[name], image) if image.is_cuda else peak(name, options, count)
            print(f"{line} {most:8.0f}", flush=True)


def named(device: str) -> str:
    """A device as a table says it: a GPU by its maker's name."""
    return f"{device} ({torch.cuda.get_device_name(device)})" if device.startswith("cuda") else device


if __name__ == "__main__":
    main()
