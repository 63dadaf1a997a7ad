import json

import numpy as np
import pytest
import torch
from bfrbench_gpen.checkpoints import published_table
from bfrbench_gpen.network import Gpen, GpenShape

from bfrbench.nn import Discriminator, frozen
from tests.nn import naive
from tests.nn.seeded import faces, fill, relative
from tests.shared_data import ROOT

REFERENCE = ROOT.parent / "reference" / "gpen"


@pytest.mark.parametrize("size", [64, 256])
@torch.no_grad()
def test_the_published_networks_outputs_are_reproduced(size: int) -> None:
    path = REFERENCE / f"gpen_{size}_2021.npz"
    if not path.exists():
        pytest.skip("reference outputs are not here")
    saved = np.load(path)
    meta = json.loads(str(saved["meta"]))
    width = {"multiplier": meta["channel_multiplier"], "narrow": meta["narrow"]}
    images = faces(meta["seed"], size, meta["n"])
    generator = fill(Gpen(GpenShape(size, **width)), meta["seed"]).eval()
    expected = torch.from_numpy(saved["out"])
    assert relative(frozen(generator)(images), expected) < 1e-4
    with torch.enable_grad():
        assert relative(generator(images), expected) < 1e-4
    discriminator = fill(Discriminator(size, **width), meta["seed"])
    assert relative(discriminator(images), torch.from_numpy(saved["d"])) < 1e-4


@pytest.mark.parametrize("size", [256, 512, 1024, 2048])
def test_keys_and_shapes_are_the_published_ones(size: int) -> None:
    path = REFERENCE / f"keys_{size}.json"
    if not path.exists():
        pytest.skip("key tables are not here")
    told = json.loads(path.read_text())
    width = {"multiplier": told["config"]["channel_multiplier"], "narrow": told["config"]["narrow"]}
    with torch.device("meta"):
        generator, discriminator = Gpen(GpenShape(size, **width)), Discriminator(size, **width)
    found = {key: list(tensor.shape) for key, tensor in published_table(generator).items()}
    assert found == {one["key"]: one["shape"] for one in told["generator"]}
    ours = {key: list(tensor.shape) for key, tensor in discriminator.state_dict().items()}
    assert ours == {one["key"]: one["shape"] for one in told["discriminator"] if one["kind"] == "param"}
    assert sum(parameter.numel() for parameter in generator.parameters()) == told["summary"]["G_params"]


@pytest.mark.parametrize("variant", ["full", "noise-add", "without-noise"])
@torch.no_grad()
def test_each_variant_of_table_1_equals_the_literal_network(variant: str) -> None:
    shape = GpenShape(32, multiplier=1.0, narrow=0.03125, style_dim=64).variant(variant)  # type: ignore[arg-type]
    network = fill(Gpen(shape), 2)
    images = faces(5, 32, 2)
    expected = naive.gpen(images.double(), {key: value.double() for key, value in network.state_dict().items()})
    assert relative(network(images), expected) < 1e-5
    assert relative(frozen(network)(images), expected) < 1e-5


def test_without_finetuning_is_the_full_network() -> None:
    shape = GpenShape(32, multiplier=1.0, narrow=0.03125)
    assert shape.variant("without-finetuning") == shape.variant("full") != shape.variant("noise-add")


@torch.no_grad()
def test_the_super_resolution_form_is_repeatable_by_seed() -> None:
    network = fill(Gpen(GpenShape(64, multiplier=1.0, narrow=0.03125, in_size=32, style_dim=64)), 2)
    small = faces(5, 32, 2)
    first = network(small, network.finer_noise([3, 4]))
    assert first.shape == (2, 3, 64, 64)
    assert torch.equal(first, network(small, network.finer_noise([3, 4])))
    assert torch.allclose(first[1:], network(small[1:], network.finer_noise([4])), atol=1e-5)
    assert not torch.allclose(first, network(small, network.finer_noise([3, 5])), atol=1e-3)
    with pytest.raises(ValueError, match="takes 2 noise maps"):
        network(small, network.finer_noise([3, 4])[:1])


@pytest.mark.parametrize("sizes", [(48, None), (16, None), (32, 64), (64, 24)])
def test_impossible_sizes_are_refused(sizes: tuple[int, int | None]) -> None:
    with pytest.raises(ValueError, match="power"):
        GpenShape(sizes[0], in_size=sizes[1])


@torch.no_grad()
def test_narrow_types_stay_close_to_float32() -> None:
    network = fill(Gpen(GpenShape(64, multiplier=1.0, narrow=0.125)), 2)
    images = faces(5, 64, 2)
    exact = network(images)
    for dtype, decibels in ((torch.bfloat16, 45), (torch.float16, 60)):
        out = frozen(network, dtype)(images.to(dtype))
        assert out.dtype == torch.float32
        error = (out - exact).square().mean().sqrt() / exact.abs().max()
        assert 20 * float(torch.log10(1 / error)) > decibels


@torch.no_grad()
def test_inference_compiles_without_a_break(tiny: Gpen) -> None:
    images = faces(5, 32, 2)
    compiled = torch.compile(frozen(tiny), fullgraph=True, backend="aot_eager")
    assert relative(compiled(images), tiny(images)) < 1e-5
