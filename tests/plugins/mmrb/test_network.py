"""The network and its training: equal to the prior at the start, deterministic, staged, taught without a loop back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from bfrbench_mmrb.network import Link, MmrbShape, MmrbStyleGan2

import bfrbench
from bfrbench.errors import UsageError, WeightsError
from bfrbench.nn import Generator
from bfrbench.testing import check_restorer
from bfrbench.training import start
from bfrbench.training.journal import read_stats
from bfrbench.training.order import Order
from bfrbench.training.task import Faces

TINY = [
    "run.images=40",
    "run.batch=4",
    "run.workers=0",
    "run.log_every=4",
    "run.checkpoint_every=40",
    "run.sample_every=1000",
    "run.validate_every=1000",
    "task.narrow=0.0625",
    "task.perceptual=0",
    "task.warm_up_until=0.2",
    "task.teacher_until=0.6",
    "task.teacher_ramp=0",
    "degradation=vqfr-1@32",
    "task.prior=none",
]
LINKS: tuple[Link, ...] = ("cs_sft", "sft", "concat_fuse", "noise_concat")


def task_of(photographs: Path, *more: str) -> Any:
    return start.build(Order.of("mmrb@32", [str(photographs)], sets=[*TINY, *more]), torch.device("cpu"))


@pytest.mark.parametrize("link", LINKS)
def test_at_the_start_it_is_the_bare_prior_at_its_mean_style(link: Link) -> None:
    torch.manual_seed(0)
    form: Any = "concat" if link == "noise_concat" else "add"
    prior = Generator(64, multiplier=1.0, narrow=0.0625, noise=form).eval()
    network = MmrbStyleGan2(MmrbShape(64, narrow=0.0625, link=link)).eval()
    network.adopt(prior)
    image = torch.rand(2, 3, 64, 64) * 2 - 1
    quiet = [torch.zeros(1, channels, side, side) for channels, side in prior.noise_shapes()]
    noise = prior.fixed_noise() if form == "add" else quiet
    with torch.no_grad():
        bare = prior.synthesise(network.mean_style.expand(2, prior.latents, -1), noise)
        out = network(image)
    if link == "concat_fuse":  # the fusing convolution adds zeros in another order
        assert torch.allclose(out, bare, atol=1e-4)
    else:
        assert torch.equal(out, bare)


@pytest.mark.parametrize("size", [32, 128])
def test_sizes_are_honoured_and_inference_is_deterministic(size: int) -> None:
    network = MmrbStyleGan2(MmrbShape(size, narrow=0.0625)).eval()
    image = torch.rand(1, 3, size, size)
    with torch.no_grad():
        assert network(image).shape == image.shape
        assert torch.equal(network(image), network(image))


@pytest.mark.parametrize(
    ("size", "said"), [(48, "power of two from 32, not 48"), (32, "narrow 0.001 leaves no channel")]
)
def test_networks_that_cannot_be_are_a_sentence(photographs: Path, size: int, said: str) -> None:
    what = Order.of(f"mmrb@{size}", [str(photographs)], sets=[*TINY, "task.narrow=0.001"])
    with pytest.raises(UsageError, match=said):
        start.build(what, torch.device("cpu"))


@pytest.mark.parametrize("link", LINKS)
def test_every_part_that_should_learn_gets_a_gradient(photographs: Path, link: Link) -> None:
    """After two steps of the last stage, in every parameter but the mapping network, which inference never uses."""
    torch.manual_seed(0)
    task = task_of(photographs, f"task.link={link}", "task.warm_up=false", "task.teacher_until=0.0")
    task.follow(MmrbStyleGan2(task.mmrb.shape).eval())
    faces = Faces(*(torch.rand(2, 3, 32, 32) * 2 - 1 for _ in range(3)))
    optimiser = torch.optim.SGD(task.mmrb.parameters(), lr=1e-2)
    for _ in range(3):
        optimiser.zero_grad()
        torch.stack(list(task._lose(faces).values())).sum().backward()
        optimiser.step()
    silent = [
        name
        for name, p in task.mmrb.named_parameters()
        if (p.grad is None or not p.grad.abs().sum() > 0) and not name.startswith("generator.style.")
    ]
    assert silent == []
    assert all(p.grad is None for p in task.teacher.parameters())


def test_stages_come_when_the_recipe_says_and_the_prior_learns_last(photographs: Path, tmp_path: Path) -> None:
    what = Order.of("mmrb@32", [str(photographs)], sets=TINY)
    start.train(what, tmp_path / "run")
    stages = {line["images"]: line["stage"] for line in read_stats(tmp_path / "run")}
    assert [stages[n] for n in (4, 8, 12, 20, 24, 28, 40)] == [0, 1, 1, 1, 2, 2, 2]
    lines = {line["images"]: line for line in read_stats(tmp_path / "run")}
    assert "restorer/latent" not in lines[4] and "discriminator/logistic" not in lines[4]
    assert "restorer/latent" in lines[12] and "restorer/consistency" not in lines[12]
    assert "restorer/consistency" in lines[28]
    assert all("restorer/gradient" in line for line in lines.values())


@pytest.mark.parametrize("link", LINKS)
def test_the_variance_of_styles_and_what_styles_give_alone_are_logged(photographs: Path, link: Link) -> None:
    task = task_of(photographs, f"task.link={link}", "task.warm_up=false", "task.sharp_share=0.0")
    task.follow(MmrbStyleGan2(task.mmrb.shape).eval())
    faces = Faces(*(torch.rand(4, 3, 32, 32) * 2 - 1 for _ in range(3)))
    with torch.no_grad():
        alone = (task.mmrb.by_styles_alone(task.mmrb.encode(faces.lq)[0]) - faces.gt).abs().mean()
    first, second = _logged(task, faces, 4), _logged(task, faces, 8)
    assert first["styles/variance"] == 0.0
    assert first["styles/l1-alone"] == pytest.approx(float(alone))
    assert "styles/l1-alone" not in second  # only every 16 steps
    with torch.no_grad():
        task.mmrb.to_styles.weight.normal_(std=0.1)
        expected = task.mmrb.encode(faces.lq)[0].var(dim=0).mean()
    assert _logged(task, faces, 12)["styles/variance"] == pytest.approx(float(expected), rel=1e-4)


def _logged(task: Any, faces: Faces, images: int) -> dict[str, float]:
    terms = task._lose(faces)
    task.after_step(images, {})
    return {name: float(term) for name, term in terms.items()}


@pytest.mark.parametrize("switch", ["task.warm_up=false", "task.teacher=false", "task.two_views=false"])
def test_each_part_of_the_strategy_can_be_switched_off(photographs: Path, tmp_path: Path, switch: str) -> None:
    start.train(Order.of("mmrb@32", [str(photographs)], sets=[*TINY, switch]), tmp_path / "run")
    seen = {name for line in read_stats(tmp_path / "run") for name in line}
    assert ("restorer/latent" in seen) == ("teacher=false" not in switch)
    assert ("restorer/consistency" in seen) == ("two_views=false" not in switch)


def test_without_the_warm_up_no_sharp_face_comes_in_and_one_view_is_enough(photographs: Path) -> None:
    faces = Faces(*(torch.rand(4, 3, 32, 32) * 2 - 1 for _ in range(2)))
    plain = task_of(photographs, "task.warm_up=false", "task.two_views=false", "task.sharp_share=1.0")
    seen: list[torch.Tensor] = []
    plain._restore = lambda image, *, fixed_noise: seen.append(image)
    plain._given(faces)
    assert plain.views == 1 and torch.equal(seen[0], faces.lq)
    assert task_of(photographs).views == 2


def test_equalised_rates_are_for_the_codec_alone(photographs: Path) -> None:
    task = task_of(photographs, "task.rates=equalised", "task.lr=2e-3")
    rates = {id(p): group["lr"] for group in task.optimisers["mmrb"].param_groups for p in group["params"]}
    assert len(rates) == len(list(task.mmrb.parameters()))
    entry = task.mmrb.entry.weight
    assert rates[id(entry)] == pytest.approx(2e-3 / (3 * 9) ** 0.5)
    assert {rates[id(p)] for p in task.mmrb.generator.parameters()} == {1e-5}


def test_a_trained_file_restores_and_conforms(photographs: Path, tmp_path: Path) -> None:
    result = start.train(Order.of("mmrb@32", [str(photographs)], sets=TINY), tmp_path / "run")
    assert [o for o in check_restorer(f"mmrb:{result}") if not o.good] == []
    with pytest.raises(WeightsError, match="works at 32 px, and mmrb-512"):
        bfrbench.load_restorer(f"mmrb-512:{result}")


def test_a_file_of_something_else_is_a_sentence(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    path = tmp_path / "other.safetensors"
    save_file({"a": torch.zeros(1)}, path)
    with pytest.raises(WeightsError, match="no weights file of an MMRB-StyleGAN2"):
        bfrbench.load_restorer(f"mmrb:{path}")


@pytest.mark.parametrize("link", LINKS)
def test_what_a_training_looks_at_compiles_without_a_break(link: Link) -> None:
    torch.manual_seed(0)
    network = MmrbStyleGan2(MmrbShape(32, multiplier=1.0, narrow=0.03, style_dim=16, link=link))
    images = torch.rand(2, 3, 32, 32) * 2 - 1
    compiled = torch.compile(network.restore, fullgraph=True, backend="aot_eager")
    ours, plain = (way(images, fixed_noise=True) for way in (compiled, network.restore))
    assert torch.allclose(ours.image, plain.image, atol=1e-5) and torch.allclose(ours.ws, plain.ws, atol=1e-5)
    assert set(ours.features) == set(plain.features) and set(ours.pyramid) == set(plain.pyramid)
