"""The block and its rivals: identity at the start, any size, any channels, the weights that the design counts."""

from __future__ import annotations

import itertools

import pytest
import torch
from bfrbench_gpen.network import Gpen, GpenShape
from bfrbench_mmrb import MMRB, MSRB, ResidualBlock, insert_after, make_block
from bfrbench_mmrb.block import BlockName
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from bfrbench.errors import UsageError
from bfrbench.nn.layers import leaky

SWITCHES = [
    {"paths": paths, "mix": mix, "gate": gate}
    for paths, mix, gate in itertools.product((("3", "5", "d"), ("3", "d"), ("5",)), (True, False), (True, False))
]


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 40), st.integers(1, 11), st.integers(1, 11), st.sampled_from(["mmrb", "msrb", "resblock"]))
def test_every_block_is_an_exact_identity_at_the_start_for_any_channels_and_size(
    c: int, h: int, w: int, name: str
) -> None:
    x = torch.randn(2, c, h, w)
    assert torch.equal(make_block(name, c)(x), x)  # type: ignore[arg-type]


def taught(block: nn.Module, steps: int = 2) -> nn.Module:
    torch.manual_seed(0)
    optimiser = torch.optim.SGD(block.parameters(), lr=0.1)
    channels = next(block.parameters()).shape[1]
    x, wanted = torch.randn(2, channels, 9, 7), torch.randn(2, channels, 9, 7)
    for _ in range(steps):
        optimiser.zero_grad()
        (block(x) - wanted).square().mean().backward()
        optimiser.step()
    optimiser.zero_grad()
    (block(x) - wanted).square().mean().backward()
    return block


@pytest.mark.parametrize("switches", SWITCHES, ids=str)
def test_after_two_steps_every_parameter_has_a_gradient(switches: dict[str, object]) -> None:
    block = taught(MMRB(24, **switches))  # type: ignore[arg-type]
    assert [name for name, p in block.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0] == []


@pytest.mark.parametrize("rival", [MSRB(8), ResidualBlock(8)], ids=["msrb", "resblock"])
def test_rivals_learn_everywhere_too(rival: nn.Module) -> None:
    block = taught(rival)
    assert [name for name, p in block.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0] == []


@pytest.mark.parametrize(("channels", "millions"), [(32, 0.0281), (64, 0.1113), (128, 0.4440), (256, 1.7737)])
def test_the_number_of_weights_is_the_designs(channels: int, millions: float) -> None:
    assert sum(p.numel() for p in MMRB(channels).parameters()) / 1e6 == pytest.approx(millions, abs=5e-5)


def literal(block: MMRB, x: Tensor) -> Tensor:
    """The block as the design writes it: one 1×1 convolution a path to mix, paths one by one."""
    u = leaky(block.entry(x)).chunk(3, dim=1)
    m = torch.cat([leaky(path(part)) for path, part in zip(block.first, u, strict=True)], dim=1)
    assert block.mix is not None and block.mix.bias is not None and block.gate is not None
    weights, biases = block.mix.weight.chunk(3, dim=0), block.mix.bias.chunk(3)
    v = [nn.functional.conv2d(m, w, b) + part for w, b, part in zip(weights, biases, u, strict=True)]
    far = torch.cat([leaky(path(part)) for path, part in zip(block.second, v, strict=True)], dim=1)
    pooled = far.mean(dim=(2, 3), keepdim=True)
    far = far * torch.sigmoid(block.gate.up(leaky(block.gate.down(pooled))))
    return x + block.fuse(far)


def test_the_joined_formulation_equals_the_literal_one() -> None:
    block = taught(MMRB(24), steps=3)
    assert isinstance(block, MMRB)
    x = torch.randn(2, 24, 9, 7)
    assert torch.allclose(block(x), literal(block, x), atol=1e-6)


def test_each_switch_changes_the_answer_of_a_trained_block() -> None:
    x = torch.randn(1, 24, 8, 8)
    answers = [taught(MMRB(24, **switches))(x) for switches in SWITCHES]  # type: ignore[arg-type]
    assert all(not torch.allclose(a, b) for a, b in itertools.combinations(answers, 2))


@pytest.mark.parametrize(("name", "width"), [("resblock", 1.502), ("msrb", 0.326)])
def test_rivals_can_have_the_same_number_of_weights(name: BlockName, width: float) -> None:
    mmrb = sum(p.numel() for p in MMRB(256).parameters())
    rival = sum(p.numel() for p in make_block(name, 256, width=width).parameters())
    assert rival == pytest.approx(mmrb, rel=0.02)


def test_blocks_and_paths_that_do_not_exist_are_refused() -> None:
    with pytest.raises(ValueError, match="mmrb, msrb or resblock"):
        make_block("rrdb", 8)  # type: ignore[arg-type]
    for paths in ((), ("7",)):
        with pytest.raises(ValueError, match="paths are some of"):
            MMRB(8, paths=paths)  # type: ignore[arg-type]


def test_inserted_into_gpens_encoder_it_changes_no_bit_until_it_learns() -> None:
    torch.manual_seed(0)
    gpen = Gpen(GpenShape(64, multiplier=1.0, narrow=0.125)).eval()
    image = torch.rand(2, 3, 64, 64) * 2 - 1
    before = gpen(image)
    names = insert_after(gpen, r"ecd\d+\.0", MMRB, image)
    assert len(names) == gpen.depth
    assert torch.equal(gpen(image), before)
    gpen(image).square().mean().backward()
    fused = [p for name, p in gpen.named_parameters() if name.endswith("block.fuse.weight")]
    assert len(fused) == len(names) and all(p.grad is not None and p.grad.abs().sum() > 0 for p in fused)


class Residual(nn.Module):
    """A residual down-block as GFPGAN's encoder has it."""

    def __init__(self, a: int, b: int) -> None:
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(a, a, 3, padding=1), nn.Conv2d(a, b, 3, padding=1)
        self.skip = nn.Conv2d(a, b, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        out = nn.functional.interpolate(leaky(self.conv1(x)), scale_factor=0.5, mode="bilinear")
        skip = self.skip(nn.functional.interpolate(x, scale_factor=0.5, mode="bilinear"))
        return leaky(self.conv2(out)) + skip


def test_inserted_into_a_residual_encoder_it_changes_no_bit() -> None:
    encoder = nn.Sequential(nn.Conv2d(3, 8, 1), Residual(8, 16), Residual(16, 24))
    image = torch.rand(1, 3, 32, 32)
    before = encoder(image)
    assert insert_after(encoder, r"[12]", MMRB, image) == ["1", "2"]
    assert torch.equal(encoder(image), before)


def test_a_pattern_that_matches_nothing_names_what_there_is() -> None:
    with pytest.raises(UsageError, match=r"no module's name matches 'body.*names look like 0"):
        insert_after(nn.Sequential(nn.Conv2d(3, 8, 1)), r"body\..*", MMRB, torch.rand(1, 3, 4, 4))
