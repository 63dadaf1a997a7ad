"""The filters' own way back against torch's, and how many convolutions a second derivative takes."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from bfrbench.nn.filters import Blur, Upsample

FILTERS = [Blur(1), Blur(2), Blur(1, stride=2), Blur(2, stride=2), Upsample()]


def by_torch(module: nn.Module, x: Tensor) -> Tensor:
    weight = module.kernel.to(x.dtype).expand(x.shape[1], 1, 4, 4)
    if isinstance(module, Blur):
        return F.conv2d(x, weight, padding=module.padding, stride=module.stride, groups=x.shape[1])
    return F.conv_transpose2d(x, weight, stride=2, padding=1, groups=x.shape[1])


@pytest.mark.parametrize("sides", [(8, 8), (9, 12), (10, 7)])
@pytest.mark.parametrize(
    "module", FILTERS, ids=lambda module: f"{type(module).__name__}-{vars(module).get('stride', '')}"
)
def test_a_filter_and_its_first_and_second_derivatives_are_torchs(module: nn.Module, sides: tuple[int, int]) -> None:
    x = torch.randn(2, 3, *sides, dtype=torch.float64, requires_grad=True)

    def derivatives(out: Tensor) -> list[Tensor]:
        (first,) = torch.autograd.grad(out.pow(3).sum(), x, create_graph=True)
        return [out, first, *torch.autograd.grad(first.square().sum(), x)]

    ours, theirs = derivatives(module(x)), derivatives(by_torch(module, x))
    assert all(torch.allclose(a, b) for a, b in zip(ours, theirs, strict=True))


@pytest.mark.parametrize("module", FILTERS, ids=lambda module: type(module).__name__)
def test_what_is_not_learnt_takes_the_same_way(module: nn.Module) -> None:
    x = torch.randn(1, 2, 8, 8)
    with torch.no_grad():
        still = module(x)
    assert torch.equal(still, module(x)) and torch.equal(still, module(x.requires_grad_()).detach())


def test_gradients_have_the_type_of_what_they_belong_to() -> None:
    x = torch.randn(1, 4, 8, 8, requires_grad=True)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        out = Upsample()(x.to(torch.bfloat16))
    out.float().sum().backward()
    assert out.dtype == torch.bfloat16 and x.grad is not None and x.grad.dtype == torch.float32


class Counted(TorchDispatchMode):
    def __init__(self) -> None:
        super().__init__()
        self.convolutions = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
        self.convolutions += "convolution" in str(function)
        return function(*args, **(kwargs or {}))


@pytest.mark.parametrize("channels", [1, 64])
def test_a_second_derivative_takes_as_many_convolutions_whatever_the_channels(channels: int) -> None:
    x = torch.randn(1, channels, 8, 8, requires_grad=True)
    with Counted() as counted:
        (first,) = torch.autograd.grad(Blur(1)(x).pow(3).sum(), x, create_graph=True)
        first.square().sum().backward()
    assert counted.convolutions == 4
