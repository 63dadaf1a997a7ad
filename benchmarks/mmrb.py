"""MMRB-StyleGAN2 and its block against the straightforward formulation, and beside GPEN and its rivals.

The rival computes the same from the same tensors as the design writes it: one convolution for each path of a block, to
enter and to mix; a prior whose samples get weights of their own in a grouped convolution, with filters over images
stuffed with zeros. Times are medians of interleaved rounds; the peak is what one pass needs beyond network and input,
in a process of its own (resident memory, so this needs Linux). On a GPU seconds are the clock's, after all work,
the peak is the allocator's, and TF32 is off.

    python benchmarks/mmrb.py speed --size 256 --batches 1 4   # ours against the straightforward formulation
    python benchmarks/mmrb.py block                            # the block alone
    python benchmarks/mmrb.py speed --device cuda              # the same on a GPU, and so block and sizes
    python benchmarks/mmrb.py sizes                            # beside GPEN: parameters, MACs, seconds, memory
    python benchmarks/mmrb.py rivals                           # task.width of rivals of equal parameters, equal MACs
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch
import torch.nn.functional as F
from bfrbench_gpen.network import Gpen, GpenShape
from bfrbench_mmrb.block import MMRB
from bfrbench_mmrb.gpen import GpenMmrb, GpenMmrbShape
from bfrbench_mmrb.network import MmrbShape, MmrbStyleGan2
from gpen import SEED, Contender, Straightforward, Taken, allocated, inputs, measure, named, resident
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils.flop_counter import FlopCounterMode

from bfrbench.nn import frozen
from bfrbench.nn.layers import leaky

SIZES = (128, 256, 512)


class StraightforwardMmrb(Straightforward):
    """The same function from the same tensors, written the usual way."""

    def __init__(self, network: MmrbStyleGan2) -> None:
        self.network = network
        self.state = {f"g.{key}": value for key, value in network.generator.state_dict().items()}
        taps = torch.tensor([1.0, 3.0, 3.0, 1.0], device=network.mean_style.device)
        self.kernel = torch.outer(taps, taps) / 64

    def __call__(self, image: Tensor) -> Tensor:
        net = self.network
        x = leaky(net.entry(image))
        features = {net.shape.size: x}
        for side in net.sides[-2::-1]:
            x = leaky(net.down[str(side)](x))
            for block in net.blocks[str(side)]:
                x = straightforward_block(block, x)
            features[side] = x
        offset = net.to_styles(leaky(net.to_style(x.flatten(1))))
        ws = net.mean_style + offset.view(len(image), net.generator.latents, -1)
        return self.synthesise(ws, net.decode(features))

    def synthesise(self, ws: Tensor, decoded: dict[int, Tensor]) -> Tensor:
        x = self.state["g.input.input"].repeat(len(ws), 1, 1, 1)
        x = self.styled(x, ws[:, 0], self.state["g.noises.noise_0"], "g.conv1")
        rgb = self.to_rgb(x, ws[:, 1], None, "g.to_rgb1")
        for block, side in enumerate(self.network.sides[1:]):
            layer = 2 * block + 1
            x = self.styled(x, ws[:, layer], self.state[f"g.noises.noise_{layer}"], f"g.convs.{2 * block}", up=True)
            x = self.network._modulated(x, decoded[side], side)
            noise = self.state[f"g.noises.noise_{layer + 1}"]
            x = self.styled(x, ws[:, layer + 1], noise, f"g.convs.{2 * block + 1}")
            rgb = self.to_rgb(x, ws[:, layer + 2], rgb, f"g.to_rgbs.{block}")
        return rgb

    def styled(self, x: Tensor, w: Tensor, noise: Tensor, name: str, *, up: bool = False) -> Tensor:
        x = self.modulated(x, w, f"{name}.conv", up=up) + self.state[f"{name}.noise.weight"] * noise
        return self.activate(x, self.state[f"{name}.activate.bias"])


def straightforward_block(block: MMRB, x: Tensor) -> Tensor:
    """Every path with convolutions of its own, as the design counts them."""
    count = len(block.first)
    assert block.mix is not None and block.gate is not None
    u = [leaky(F.conv2d(x, *pair)) for pair in parted(block.entry, count)]
    m = torch.cat([leaky(path(part)) for path, part in zip(block.first, u, strict=True)], dim=1)
    v = [F.conv2d(m, *pair) + part for pair, part in zip(parted(block.mix, count), u, strict=True)]
    far = torch.cat([leaky(path(part)) for path, part in zip(block.second, v, strict=True)], dim=1)
    return x + block.fuse(block.gate(far))


def parted(layer: nn.Conv2d, count: int) -> list[tuple[Tensor, Tensor]]:
    assert layer.bias is not None
    return list(zip(layer.weight.chunk(count), layer.bias.chunk(count), strict=True))


def seeded(network: nn.Module) -> nn.Module:
    """Weights as they are made, and small ones wherever a network starts with zeros, so that everything counts."""
    generator = torch.Generator().manual_seed(SEED)
    for tensor in network.parameters():
        if not tensor.abs().sum() > 0:
            tensor.copy_(0.02 * torch.randn(tensor.shape, generator=generator))
    return network.eval().requires_grad_(False)


def gpen_shape(size: int) -> GpenShape:
    """The widths of the published GPEN of this size."""
    return GpenShape(size) if size >= 512 else GpenShape(size, multiplier=1.0, narrow=0.5)


def network_of(name: str, size: int) -> nn.Module:
    torch.manual_seed(SEED)
    if name == "gpen":
        return seeded(Gpen(gpen_shape(size)))
    if name == "gpen-mmrb":
        return seeded(GpenMmrb(GpenMmrbShape(gpen_shape(size))))
    return seeded(MmrbStyleGan2(MmrbShape(size)))


def contenders(size: int, device: str) -> list[Contender]:
    network = network_of("mmrb", size).to(device)
    assert isinstance(network, MmrbStyleGan2)
    return [
        Contender("straightforward", StraightforwardMmrb(network)),
        Contender("ours", network),
        Contender("ours, as restored with", frozen(network)),
    ]


def speed(options: argparse.Namespace) -> None:
    print(f"MMRB-StyleGAN2-{options.size}, {conditions(options)}")
    rivals = contenders(options.size, options.device)
    for count in options.batches:
        table(rivals, inputs(count, options.size, options.device), options, f"batch {count}")


def block(options: argparse.Namespace) -> None:
    print(f"the block alone, {conditions(options)}")
    for channels, side in ((256, 16), (128, 64), (64, 128), (32, 256)):
        torch.manual_seed(SEED)
        mmrb = seeded(MMRB(channels)).to(options.device)
        laid = seeded(MMRB(channels)).to(options.device)
        laid = laid.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        laid.load_state_dict(mmrb.state_dict())
        x = torch.randn(1, channels, side, side).to(options.device)
        last = x.contiguous(memory_format=torch.channels_last)
        rivals = [
            Contender("straightforward", partial(straightforward_block, mmrb)),
            Contender("ours", mmrb),
            Contender("ours, as restored with", lambda _, run=laid, given=last: run(given)),
        ]
        table(rivals, x, options, f"{channels} channels at {side} px")


def table(rivals: list[Contender], image: Tensor, options: argparse.Namespace, title: str) -> None:
    found = measure(rivals, image, options.repeats)
    first, truth = found[rivals[0].name]
    runs = {rival.name: rival.run for rival in rivals}
    print(f"{title:24} {clock(image) + '/image':>12} {'ratio':>6} {'wall ratio':>11} {'max rel':>9}")
    for name, (taken, out) in found.items():
        gap = ((out - truth).abs().max() / truth.abs().max()).item()
        mine, theirs = spent(taken, image), spent(first, image)
        line = f"{name:24} {mine / len(image):12.4f} {theirs / mine:6.2f}"
        line += f" {first.wall / taken.wall:11.2f} {gap:9.1e}"
        print(f"{line}  peak {allocated(runs[name], image):.0f} MiB" if image.is_cuda else line, flush=True)


def conditions(options: argparse.Namespace) -> str:
    return f"{named(options.device)}, {options.threads} threads, torch {torch.__version__}, seed {SEED}"


def clock(image: Tensor) -> str:
    """Which seconds count: other programs disturb a CPU's clock, and a GPU works on behind the CPU's back."""
    return "wall s" if image.is_cuda else "CPU s"


def spent(taken: Taken, image: Tensor) -> float:
    return taken.wall if image.is_cuda else taken.work


def sizes(options: argparse.Namespace) -> None:
    """Each network frozen as its restorer has it, one image."""
    print(f"one image, float32, {conditions(options)}")
    print(f"{'':16} {'M parameters':>13} {'GMAC':>7} {clock(inputs(1, 8, options.device)):>7} {'peak MiB':>9}")
    for size in options.sizes:
        here, image = inputs(1, size, "cpu"), inputs(1, size, options.device)
        made = {name: network_of(name, size) for name in ("mmrb", "gpen", "gpen-mmrb")}
        ready = {name: frozen(net).to(options.device) for name, net in made.items()}
        found = measure([Contender(name, net) for name, net in ready.items()], image, options.repeats)
        for name, network in made.items():
            with FakeTensorMode(allow_non_fake_inputs=True):  # counts without computing
                parameters, work = parameters_of(network) / 1e6, macs(network, here) / 1e9
            line = f"{name + '-' + str(size):16} {parameters:13.1f} {work:7.1f} {spent(found[name][0], image):7.4f}"
            most = allocated(ready[name], image) if image.is_cuda else peak(name, size, options.threads)
            print(f"{line} {most:9.0f}", flush=True)


def rivals(options: argparse.Namespace) -> None:
    """The `task.width` at which a rival's blocks give the network an MMRB network's parameters, and its MACs."""
    print(f"{'':32} {'M parameters':>13} {'GMAC of the encoder':>20}")
    for size in SIZES:
        shape = MmrbShape(size)
        wanted = cost(shape)
        found = [("mmrb", shape)]
        for rival in (replace(shape, block="msrb"), replace(shape, block="resblock")):
            for counted in range(2):
                width = matched(lambda w, s=rival: cost(replace(s, width=w)), wanted, counted)
                found.append((f"{rival.block}, task.width={width:.3f}", replace(rival, width=width)))
        for name, one in found:
            parameters, work = cost(one)
            print(f"{size} {name:28} {parameters / 1e6:13.2f} {work / 1e9:20.2f}", flush=True)


def cost(shape: MmrbShape) -> tuple[float, float]:
    """Parameters of the whole network, and MACs of its encoder, where the blocks are."""
    with torch.device("meta"):
        network, image = MmrbStyleGan2(shape), torch.zeros(1, 3, shape.size, shape.size)
    return parameters_of(network), macs(network.encode, image)


def matched(price: Callable[[float], tuple[float, float]], wanted: tuple[float, float], counted: int) -> float:
    """By halving: the price grows with the width."""
    low, high = 0.05, 4.0
    for _ in range(16):
        middle = (low + high) / 2
        low, high = (middle, high) if price(middle)[counted] < wanted[counted] else (low, middle)
    return high


def parameters_of(network: nn.Module) -> float:
    return float(sum(p.numel() for p in network.parameters()))


def macs(network: Callable[[Tensor], object], image: Tensor) -> float:
    with FlopCounterMode(display=False) as counter:
        network(image)
    return counter.get_total_flops() / 2


def peak(name: str, size: int, threads: int) -> float:
    command = [sys.executable, __file__, "sizes", "--peak", name, "--size", str(size), "--threads", str(threads)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def report_peak(options: argparse.Namespace) -> None:
    """Print the mebibytes that one pass needs beyond network and input."""
    run, image = frozen(network_of(options.peak, options.size)), inputs(1, options.size, "cpu")
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew here
    held = resident("VmRSS")
    run(image)
    print(resident("VmHWM") - held)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("speed", "block", "sizes", "rivals"))
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 4])
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cpu", help="cpu or cuda: for speed, block and sizes")
    parser.add_argument("--sizes", type=int, nargs="+", default=list(SIZES), help="for sizes")
    parser.add_argument("--peak", help=argparse.SUPPRESS)
    options = parser.parse_args()
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    torch.set_num_threads(options.threads)
    with torch.no_grad():
        if options.peak:
            report_peak(options)
        else:
            {"speed": speed, "block": block, "sizes": sizes, "rivals": rivals}[options.what](options)


if __name__ == "__main__":
    main()
