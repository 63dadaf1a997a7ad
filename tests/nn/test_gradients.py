"""First and second order gradients against autograd through the literal formulation, in float64."""

import pytest
import torch
from torch import Tensor

from bfrbench.nn import Discriminator, Generator
from tests.nn import naive
from tests.nn.seeded import fill


def generator() -> Generator:
    return fill(Generator(8, multiplier=1.0, narrow=0.0078125, noise="concat", style_dim=8), 3).double()


def leaves(network: torch.nn.Module) -> naive.Table:
    return {key: value.detach().clone().requires_grad_() for key, value in network.state_dict().items()}


def close(found: tuple[Tensor, ...], expected: tuple[Tensor, ...]) -> bool:
    scale = max(float(one.abs().max()) for one in expected)
    return all(torch.allclose(a, b, rtol=1e-7, atol=1e-10 * scale) for a, b in zip(found, expected, strict=True))


def test_gradients_of_the_generator_equal_those_of_the_literal_one() -> None:
    network, table = generator(), leaves(generator())
    z = torch.randn(2, 8, dtype=torch.float64)
    noise = [one.double() for one in network.seeded_noise([1, 2])]
    target = torch.randn(2, 3, 8, 8, dtype=torch.float64)
    names = [key for key, _ in network.named_parameters()]
    found = torch.autograd.grad((network(z, noise) * target).sum(), list(network.parameters()))
    literal = naive.synthesis(naive.mapping(z, table)[:, None].expand(-1, 4, -1), list(noise), table)
    expected = torch.autograd.grad((literal * target).sum(), [table[key] for key in names])
    assert close(found, expected)
    assert all(float(one.abs().max()) > 0 for one in found)


def test_the_path_length_penalty_has_the_gradients_of_the_literal_one() -> None:
    network, table = generator(), leaves(generator())
    noise = [one.double() for one in network.seeded_noise([1, 2])]
    ws = torch.randn(2, 4, 8, dtype=torch.float64, requires_grad=True)
    direction = torch.randn(2, 3, 8, 8, dtype=torch.float64)

    def penalty(image: Tensor) -> Tensor:
        (slope,) = torch.autograd.grad((image * direction).sum(), ws, create_graph=True)
        return (slope.square().sum(dim=2).mean(dim=1).sqrt() - 1).square().mean()

    names = [key for key, _ in network.named_parameters() if "style" not in key]
    chosen = [value for key, value in network.named_parameters() if key in names]
    found = torch.autograd.grad(penalty(network.synthesise(ws, noise)), chosen, materialize_grads=True)
    literal = penalty(naive.synthesis(ws, list(noise), table))
    expected = torch.autograd.grad(literal, [table[key] for key in names], materialize_grads=True)
    assert close(found, expected)


def test_r1_has_the_gradients_of_the_literal_discriminator() -> None:
    network = fill(Discriminator(8, multiplier=1.0, narrow=0.0078125), 4).double()
    table = leaves(network)
    images = torch.randn(3, 3, 8, 8, dtype=torch.float64, requires_grad=True)

    def r1(logits: Tensor) -> Tensor:
        (slope,) = torch.autograd.grad(logits.sum(), images, create_graph=True)
        return slope.square().sum(dim=(1, 2, 3)).mean()

    names = [key for key, _ in network.named_parameters()]
    found = torch.autograd.grad(r1(network(images)), list(network.parameters()), materialize_grads=True)
    literal = r1(naive.discriminator(images, table))
    expected = torch.autograd.grad(literal, [table[key] for key in names], materialize_grads=True)
    assert close(found, expected)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_autocast_keeps_styles_and_statistics_in_float32(dtype: torch.dtype) -> None:
    network = fill(Generator(16, multiplier=1.0, narrow=0.0625, noise="concat", style_dim=16), 3)
    z, noise = torch.randn(2, 16), network.seeded_noise([1, 2])
    exact = network(z, noise)
    with torch.autocast("cpu", dtype=dtype):
        image = network(z, noise)
        assert network.style(z).dtype == torch.float32
        image.square().mean().backward()
    assert image.dtype == torch.float32
    assert float((image - exact).detach().square().mean().sqrt() / exact.detach().std()) < 0.03
    assert all(
        parameter.grad is not None and bool(parameter.grad.isfinite().all()) for parameter in network.parameters()
    )


def test_the_training_step_of_each_network_compiles_without_a_break() -> None:
    network = fill(Generator(8, multiplier=1.0, narrow=0.0078125, noise="concat", style_dim=8), 3)
    judge = fill(Discriminator(8, multiplier=1.0, narrow=0.0078125), 4)
    z, noise = torch.randn(2, 8), network.seeded_noise([1, 2])

    def loss(z: Tensor, *noise: Tensor) -> Tensor:
        return torch.nn.functional.softplus(-judge(network(z, noise))).mean()

    compiled = torch.compile(loss, fullgraph=True, backend="aot_eager")
    names = list(network.parameters())
    expected = torch.autograd.grad(loss(z, *noise), names)
    found = torch.autograd.grad(compiled(z, *noise), names)
    assert all(torch.allclose(a, b, rtol=1e-3, atol=1e-6) for a, b in zip(found, expected, strict=True))
