"""Priors: files of both published layouts give the pictures that their own architecture gives, and ours do too."""

from __future__ import annotations

import argparse
import math
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from bfrbench_mmrb.network import MmrbShape, MmrbStyleGan2
from bfrbench_mmrb.priors import read_prior
from torch import Tensor

from bfrbench.errors import WeightsError
from bfrbench.nn import Discriminator, Generator
from bfrbench.training import checkpoint, start
from bfrbench.training.order import Order
from tests.nn import naive
from tests.nn.seeded import fill, relative

Table = dict[str, Tensor]
SIDES = (4, 8, 16, 32, 64)
CHANNELS = {4: 32, 8: 32, 16: 32, 32: 32, 64: 16}
WIDE = {"multiplier": 1.0, "narrow": 0.0625, "style_dim": 24}
TAPS = torch.outer(*2 * [torch.tensor([1.0, 3.0, 3.0, 1.0])]) / 64


def nvidia_table(layers: int = 2, **changed: Tensor) -> Table:
    """A generator as stylegan2-ada-pytorch stores it, with seeded numbers that leave no sign or order unseen."""
    random = torch.Generator().manual_seed(5)

    def draw(*shape: int) -> Tensor:
        return torch.randn(shape, generator=random)

    table = {"mapping.w_avg": draw(24)}
    for layer in range(layers):
        table[f"mapping.fc{layer}.weight"], table[f"mapping.fc{layer}.bias"] = 100 * draw(24, 24), draw(24)
    table["synthesis.b4.const"] = draw(CHANNELS[4], 4, 4)
    for side in SIDES:
        name, channels = f"synthesis.b{side}", CHANNELS[side]
        table[f"{name}.resample_filter"] = TAPS.clone()
        for conv in ("conv0", "conv1") if side > 4 else ("conv1",):
            before = CHANNELS[side // 2] if conv == "conv0" else channels
            table[f"{name}.{conv}.weight"] = draw(channels, before, 3, 3)
            table[f"{name}.{conv}.bias"] = 0.1 * draw(channels)
            table[f"{name}.{conv}.affine.weight"] = draw(before, 24)
            table[f"{name}.{conv}.affine.bias"] = 1 + 0.1 * draw(before)
            table[f"{name}.{conv}.noise_const"] = draw(side, side)
            table[f"{name}.{conv}.noise_strength"] = 0.3 * draw(1)[0]
            table[f"{name}.{conv}.resample_filter"] = TAPS.clone()
        table[f"{name}.torgb.weight"], table[f"{name}.torgb.bias"] = draw(3, channels, 1, 1), 0.1 * draw(3)
        table[f"{name}.torgb.affine.weight"] = draw(channels, 24)
        table[f"{name}.torgb.affine.bias"] = 1 + 0.1 * draw(channels)
    return {**table, **changed}


class Nvidia:
    """The architecture of stylegan2-ada-pytorch, literally: weights for each sample, true convolutions where it
    doubles, images stuffed with zeros and filtered before them."""

    def __init__(self, table: Table) -> None:
        self.table = {key: tensor.double() for key, tensor in table.items()}

    def __call__(self, z: Tensor) -> Tensor:
        return self.synthesise(self.mapped(z))

    def mapped(self, z: Tensor) -> Tensor:
        x, layer = z / (z.square().mean(dim=1, keepdim=True) + 1e-8).sqrt(), 0
        while f"mapping.fc{layer}.weight" in self.table:
            weight = self.table[f"mapping.fc{layer}.weight"] * 0.01 / math.sqrt(24)
            x = self.rectified(x @ weight.t() + self.table[f"mapping.fc{layer}.bias"] * 0.01)
            layer += 1
        return x

    def synthesise(self, w: Tensor) -> Tensor:
        x = self.table["synthesis.b4.const"].expand(len(w), -1, -1, -1)
        image = torch.zeros((), dtype=torch.float64)
        for side in SIDES:
            name = f"synthesis.b{side}"
            if side > 4:
                x = self.layer(x, w, f"{name}.conv0", up=True)
                image = self.doubled(image)
            x = self.layer(x, w, f"{name}.conv1", up=False)
            image = image + self.to_rgb(x, w, f"{name}.torgb")
        return image

    def style(self, w: Tensor, name: str) -> Tensor:
        return w @ self.table[f"{name}.affine.weight"].t() / math.sqrt(24) + self.table[f"{name}.affine.bias"]

    def layer(self, x: Tensor, w: Tensor, name: str, *, up: bool) -> Tensor:
        outs = []
        for image, style in zip(x, self.style(w, name), strict=True):
            weight = self.table[f"{name}.weight"] * style[None, :, None, None]
            weight = weight / (weight.square().sum(dim=(1, 2, 3), keepdim=True) + 1e-8).sqrt()
            if up:  # a true convolution mirrors its weights; the filter's border has three zeros before, two behind
                outs.append(F.conv2d(self.stuffed(image[None], (3, 2)), weight.flip(2, 3)))
            else:
                outs.append(F.conv2d(image[None], weight, padding=1))
        noise = self.table[f"{name}.noise_const"] * self.table[f"{name}.noise_strength"]
        return self.rectified(torch.cat(outs) + noise + self.table[f"{name}.bias"][:, None, None])

    def to_rgb(self, x: Tensor, w: Tensor, name: str) -> Tensor:
        weight = self.table[f"{name}.weight"][:, :, 0, 0]
        styles = self.style(w, name) / math.sqrt(x.shape[1])
        return torch.einsum("oi,ni,nihw->nohw", weight, styles, x) + self.table[f"{name}.bias"][:, None, None]

    def doubled(self, image: Tensor) -> Tensor:
        return self.stuffed(image, (2, 1))

    def stuffed(self, x: Tensor, pad: tuple[int, int]) -> Tensor:
        count, channels, height, width = x.shape
        wide = x.new_zeros(count, channels, 2 * height, 2 * width)
        wide[:, :, ::2, ::2] = x
        wide = F.pad(wide, (*pad, *pad)).flatten(0, 1)[:, None]
        out = F.conv2d(wide, 4 * TAPS.double()[None, None])
        return out.view(count, channels, *out.shape[-2:])

    def rectified(self, x: Tensor) -> Tensor:
        return torch.where(x > 0, x, 0.2 * x) * math.sqrt(2)


def rosinality_file(path: Path) -> tuple[Generator, Discriminator]:
    """A training file as rosinality's code writes it: filters stored, options beside the networks."""
    generator, discriminator = fill(Generator(64, **WIDE), 1), fill(Discriminator(64, **narrow()), 1)  # type: ignore[arg-type]
    tables = []
    for network in (generator, discriminator):
        table = {key: tensor.clone() for key, tensor in network.state_dict().items()}
        for name, module in network.named_modules():
            if isinstance(getattr(module, "kernel", None), Tensor):
                table[f"{name}.kernel"] = module.kernel.clone()
        tables.append(table)
    assert any(key.endswith("blur.kernel") for key in tables[0])
    torch.save({"g": {}, "d": tables[1], "g_ema": tables[0], "args": argparse.Namespace(size=64, latent=512)}, path)
    return generator, discriminator


def narrow() -> dict[str, float]:
    return {"multiplier": 1.0, "narrow": 0.0625}


@torch.no_grad()
def test_nvidias_layout_gives_the_pictures_of_nvidias_architecture(tmp_path: Path) -> None:
    table = nvidia_table()
    torch.save(table, tmp_path / "prior.pt")
    generator = Generator(64, **WIDE, mapping_layers=2)  # type: ignore[arg-type]
    read_prior(tmp_path / "prior.pt").fill(generator, torch.nn.Identity())
    z = torch.randn(2, 24, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    generator = generator.double()
    expected = Nvidia(table)(z)
    assert expected.std() > 0.1
    assert relative(generator.style(z), Nvidia(table).mapped(z)) < 1e-6
    assert relative(generator(z, generator.fixed_noise()), expected) < 1e-6


@torch.no_grad()
def test_rosinalitys_layout_gives_the_pictures_of_its_architecture_and_its_discriminator(tmp_path: Path) -> None:
    source, judge = rosinality_file(tmp_path / "prior.pt")
    generator, discriminator = Generator(64, **WIDE), Discriminator(64, **narrow())  # type: ignore[arg-type]
    prior = read_prior(tmp_path / "prior.pt")
    prior.fill(generator, discriminator)
    assert prior.mean_style is None
    z = torch.randn(2, 24, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    held = {key: tensor.double() for key, tensor in source.state_dict().items()}
    ws = naive.mapping(z, held)[:, None].repeat(1, generator.latents, 1)
    noise = [held[f"noises.noise_{layer}"] for layer in range(len(generator.noise_shapes()))]
    generator = generator.double()
    assert relative(generator(z, generator.fixed_noise()), naive.synthesis(ws, list(noise), held)) < 1e-6
    image = torch.rand(2, 3, 64, 64)
    assert torch.equal(discriminator(image), judge(image))


def order(photographs: Path, recipe: str, *more: str) -> Any:
    sets = ["run.batch=2", "run.images=4", "run.workers=0", "run.log_every=2", "run.checkpoint_every=4"]
    sets += ["task.multiplier=1.0", "task.narrow=0.0625", "task.style_dim=24"]
    return Order.of(recipe, [str(photographs)], sets=[*sets, *more])


def task_of(photographs: Path, *more: str) -> Any:
    return start.build(order(photographs, "mmrb@64", "task.perceptual=0", *more), torch.device("cpu"))


@torch.no_grad()
def test_a_training_starts_as_the_bare_published_prior_at_its_mean(photographs: Path, tmp_path: Path) -> None:
    table = nvidia_table()
    torch.save({"G_ema": table}, tmp_path / "prior.pt")
    task = task_of(photographs, f"task.prior={tmp_path / 'prior.pt'}", "task.mapping_layers=2")
    assert task.describe()["mapping_layers"] == 2
    assert torch.equal(task.mmrb.mean_style, table["mapping.w_avg"])
    expected = Nvidia(table).synthesise(table["mapping.w_avg"].double()[None])
    assert relative(task.mmrb.eval()(torch.rand(1, 3, 64, 64)).double(), expected) < 1e-5


def test_a_prior_that_was_trained_here_is_taken_as_run_checkpoint_and_result(photographs: Path, tmp_path: Path) -> None:
    run = tmp_path / "prior"
    start.train(order(photographs, "stylegan2-prior@32"), run)
    prior = Generator(32, **WIDE)  # type: ignore[arg-type]
    checkpoint.load_networks(checkpoint.at(run, "a run"), {"average": prior})
    for place in (run, checkpoint.all_of(run)[-1], run / "result.safetensors"):
        what = order(photographs, "mmrb@32", "task.perceptual=0", f"task.prior={place}")
        mmrb = start.build(what, torch.device("cpu")).mmrb.eval()  # type: ignore[attr-defined]
        assert float(mmrb.mean_style.abs().sum()) > 0
        with torch.no_grad():
            bare = prior.synthesise(mmrb.mean_style.expand(1, prior.latents, -1), prior.fixed_noise())
            assert torch.equal(mmrb(torch.rand(1, 3, 32, 32)), bare)


@torch.no_grad()
def test_what_cannot_be_a_prior_is_a_sentence(photographs: Path, tmp_path: Path) -> None:
    path = tmp_path / "prior.pt"
    torch.save(nvidia_table(), path)
    with pytest.raises(WeightsError, match=r"size 64, task.narrow=0.0625, task.multiplier=1, .*mapping_layers=2"):
        task_of(photographs, f"task.prior={path}")
    cases: list[tuple[Table, str]] = [
        (nvidia_table(**{"synthesis.b8.resample_filter": torch.ones(4, 4) / 16}), "another low-pass filter"),
        (nvidia_table(**{"mapping.embed.weight": torch.ones(2, 2)}), "a conditional model"),
        (nvidia_table(**{"synthesis.b4.conv1.bias": torch.tensor([math.nan])}), "NaN or infinity"),
        ({"stem.weight": torch.ones(2)}, "no StyleGAN2 generator in rosinality's or NVIDIA's layout"),
    ]
    for table, said in cases:
        torch.save(table, path)
        with pytest.raises(WeightsError, match=said):
            read_prior(path)
    (tmp_path / "network.pkl").write_bytes(b"\x80\x04")
    with pytest.raises(WeightsError, match=r"running its code; .*legacy.load_network_pkl"):
        read_prior(tmp_path / "network.pkl")


class Danger:
    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (Path("ran"),))


def test_nothing_in_a_file_is_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({"g_ema": {}, "args": Danger()}, "prior.pt")
    with pytest.raises(WeightsError, match="nothing of it was run"):
        read_prior(Path("prior.pt"))
    assert not Path("ran").exists()


@torch.no_grad()
def test_a_known_mean_is_taken_and_an_unknown_one_is_sampled() -> None:
    shape = MmrbShape(32, narrow=0.0625, style_dim=24)
    prior, network = Generator(32, **WIDE), MmrbStyleGan2(shape)  # type: ignore[arg-type]
    network.adopt(prior)
    styles = prior.style(torch.randn(20_000, 24, generator=torch.Generator().manual_seed(9)))
    assert torch.allclose(network.mean_style, styles.mean(dim=0), atol=5 * float(styles.std()) / math.sqrt(10_000))
    network.adopt(prior, torch.arange(24.0))
    assert torch.equal(network.mean_style, torch.arange(24.0))
