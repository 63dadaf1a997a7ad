import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from bfrbench.nn import Blur, ConvLayer, Discriminator, Generator, ModulatedConv2d, Upsample, frozen, seeded_noise
from tests.nn import naive
from tests.nn.seeded import fill, relative

SIDES = st.integers(1, 9)


def table(network: torch.nn.Module) -> naive.Table:
    return {key: value.double() for key, value in network.state_dict().items()}


@settings(max_examples=25, deadline=None)
@given(height=SIDES, width=SIDES, channels=st.integers(1, 3))
def test_doubling_equals_filtering_an_image_stuffed_with_zeros(height: int, width: int, channels: int) -> None:
    x = torch.randn(2, channels, height, width, dtype=torch.float64)
    assert torch.allclose(Upsample()(x), naive.literal_filter(x, up=2, pad=(2, 1), gain=4.0), atol=1e-12)


@settings(max_examples=25, deadline=None)
@given(height=SIDES, width=SIDES, padding=st.sampled_from([1, 2]), stride=st.sampled_from([1, 2]))
def test_filtering_at_every_second_place_equals_filtering_everywhere(
    height: int, width: int, padding: int, stride: int
) -> None:
    if min(height, width) + 2 * padding < 4:
        return
    x = torch.randn(1, 2, height, width, dtype=torch.float64)
    everywhere = naive.literal_filter(x, pad=(padding, padding))
    assert torch.allclose(Blur(padding, stride=stride)(x), everywhere[:, :, ::stride, ::stride], atol=1e-12)


@settings(max_examples=30, deadline=None)
@given(
    height=SIDES,
    width=SIDES,
    batch=st.integers(1, 3),
    channels=st.tuples(st.integers(1, 5), st.integers(1, 5)),
    side=st.sampled_from([1, 3]),
    demodulate=st.booleans(),
    upsample=st.booleans(),
    scale=st.sampled_from([0.0, 1e-3, 1.0, 1e3]),
)
def test_a_modulated_convolution_equals_weights_for_each_sample(
    height: int,
    width: int,
    batch: int,
    channels: tuple[int, int],
    side: int,
    demodulate: bool,
    upsample: bool,
    scale: float,
) -> None:
    layer = ModulatedConv2d(*channels, side, 6, demodulate=demodulate, upsample=upsample and side == 3).double()
    x = torch.randn(batch, channels[0], height, width, dtype=torch.float64) * scale
    w = torch.randn(batch, 6, dtype=torch.float64)
    parts = {f"layer.{key}": value for key, value in layer.state_dict().items()}
    expected = naive.modulated(x, w, parts, "layer", up=upsample and side == 3, demodulate=demodulate)
    assert torch.allclose(layer(x, w), expected, rtol=1e-9, atol=1e-12 * max(scale, 1e-6))


def test_a_style_of_zero_gives_zero_and_not_nan() -> None:
    layer = ModulatedConv2d(3, 4, 3, 5)
    layer.modulation.weight.data.zero_()
    layer.modulation.bias.data.zero_()
    for dtype in (torch.float32, torch.bfloat16, torch.float16):
        out = layer(torch.randn(2, 3, 8, 8).to(dtype), torch.randn(2, 5))
        assert out.dtype == dtype
        assert torch.equal(out, torch.zeros_like(out))


def test_float16_survives_styles_that_would_overflow_it() -> None:
    layer = ModulatedConv2d(64, 8, 3, 5)
    layer.modulation.bias.data.fill_(1e4)
    x, w = torch.randn(1, 64, 8, 8) * 30, torch.randn(1, 5)
    out = layer(x.half(), w)
    assert bool(out.isfinite().all())
    assert relative(out.float(), layer(x, w)) < 5e-3


@pytest.mark.parametrize("noise", ["add", "add-wide", "concat", "none"])
@torch.no_grad()
def test_every_form_of_the_generator_equals_the_literal_one(noise: str) -> None:
    generator = fill(Generator(16, multiplier=1.0, narrow=0.03125, noise=noise, style_dim=32), 3)  # type: ignore[arg-type]
    z = torch.randn(2, 32, generator=torch.Generator().manual_seed(0))
    maps = generator.seeded_noise([5, 6])
    ws = generator.spread(generator.style(z))
    literal = [None] * len(maps) if noise == "none" else [one.double() for one in maps]
    expected = naive.synthesis(
        naive.mapping(z.double(), table(generator))[:, None].expand(-1, 6, -1), literal, table(generator)
    )
    assert relative(generator.synthesise(ws, maps), expected) < 1e-5
    assert relative(frozen(generator)(z, maps), expected) < 1e-5
    with torch.enable_grad():
        assert relative(generator(z, maps).detach(), expected) < 1e-5


@torch.no_grad()
def test_a_discriminator_equals_the_literal_one_and_reads_its_companions() -> None:
    discriminator = fill(Discriminator(16, multiplier=1.0, narrow=0.03125), 4)
    images = torch.randn(4, 3, 16, 16, generator=torch.Generator().manual_seed(1))
    expected = naive.discriminator(images.double(), table(discriminator))
    assert relative(discriminator(images), expected) < 1e-5
    assert relative(frozen(discriminator)(images), expected) < 1e-5
    assert not torch.allclose(discriminator(images)[:1], discriminator(images[:1]))


@torch.no_grad()
def test_groups_of_a_discriminator_are_strided_through_the_batch() -> None:
    discriminator = fill(Discriminator(16, multiplier=1.0, narrow=0.03125, group=2), 4)
    images = torch.randn(4, 3, 16, 16, generator=torch.Generator().manual_seed(1))
    together = discriminator(images)
    apart = torch.cat([discriminator(images[[first, first + 2]]) for first in (0, 1)])[[0, 2, 1, 3]]
    assert torch.allclose(together, apart, atol=1e-5)
    with pytest.raises(ValueError, match="3 does not divide into groups of 2"):
        discriminator(images[:3])


@torch.no_grad()
def test_a_discriminator_gives_its_features_finest_first() -> None:
    discriminator = Discriminator(32, multiplier=1.0, narrow=0.03125)
    logits, features = discriminator.judge(torch.randn(2, 3, 32, 32))
    assert [feature.shape[-1] for feature in features] == [32, 16, 8, 4]
    assert logits.shape == (2, 1)


@torch.no_grad()
def test_edits_see_each_resolution_once_and_change_the_picture() -> None:
    generator = fill(Generator(32, multiplier=1.0, narrow=0.03125, style_dim=32), 3)
    ws, maps = generator.spread(torch.randn(1, 32)), generator.fixed_noise()
    seen: dict[str, list[tuple[int, int]]] = {"before": [], "between": []}

    def note(where: str):  # type: ignore[no-untyped-def]
        def edit(x: torch.Tensor, side: int) -> torch.Tensor:
            seen[where].append((side, x.shape[-1]))
            return x

        return edit

    plain = generator.synthesise(ws, maps)
    unchanged = generator.synthesise(ws, maps, before=note("before"), between=note("between"))
    assert seen == {"before": [(4, 4), (8, 8), (16, 16)], "between": [(8, 8), (16, 16), (32, 32)]}
    assert torch.allclose(plain, unchanged, atol=1e-6)
    changed = generator.synthesise(ws, maps, between=lambda x, side: x * 0.5 if side == 8 else x)
    assert not torch.allclose(plain, changed, atol=1e-3)


@torch.no_grad()
def test_inference_leaves_what_it_was_given_alone() -> None:
    generator = fill(Generator(16, multiplier=1.0, narrow=0.03125, noise="concat", style_dim=32), 3)
    maps, ws = generator.seeded_noise([1, 2]), generator.spread(torch.randn(2, 32))
    kept = [one.clone() for one in (*maps, ws, generator.input.input)]
    first = generator.synthesise(ws, maps)
    assert torch.equal(first, generator.synthesise(ws, maps))
    assert all(torch.equal(a, b) for a, b in zip(kept, (*maps, ws, generator.input.input), strict=True))


def test_seeded_noise_hangs_on_each_seed_alone() -> None:
    like = torch.zeros(1)
    together = seeded_noise([(2, 4), (1, 8)], [7, 8, 9], like=like)
    alone = seeded_noise([(2, 4), (1, 8)], [8], like=like)
    assert all(torch.equal(many[1:2], one) for many, one in zip(together, alone, strict=True))
    assert not torch.equal(together[0][0], together[0][1])


def test_freezing_leaves_the_original_trainable_and_untouched() -> None:
    layer = ConvLayer(3, 4, 3, down=True)
    before = {key: value.clone() for key, value in layer.state_dict().items()}
    twin = frozen(layer)
    assert all(torch.equal(before[key], value) for key, value in layer.state_dict().items())
    assert all(parameter.requires_grad for parameter in layer.parameters())
    assert not any(parameter.requires_grad for parameter in twin.parameters())
    x = torch.randn(1, 3, 8, 8)
    assert torch.allclose(layer(x), twin(x), atol=1e-6)
