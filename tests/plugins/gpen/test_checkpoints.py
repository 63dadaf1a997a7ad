from pathlib import Path

import pytest
import torch
from bfrbench_gpen.checkpoints import published_table, read_checkpoint
from bfrbench_gpen.network import Gpen, GpenShape

from bfrbench.errors import WeightsError
from bfrbench.nn import Discriminator, Generator
from tests.nn.seeded import faces, fill

SHAPES = [
    GpenShape(32, multiplier=2.0, narrow=0.03125, style_dim=32),
    GpenShape(64, multiplier=1.0, narrow=0.0625),
    GpenShape(128, multiplier=2.0, narrow=0.0625, style_dim=32),
    GpenShape(128, multiplier=1.0, narrow=0.09375, in_size=32, style_dim=32),
    GpenShape(64, multiplier=0.5, narrow=0.0625, noise="add-wide", style_dim=32),
    GpenShape(64, multiplier=4.0, narrow=0.0625, noise="none", style_dim=32),
    GpenShape(64, multiplier=1.0, narrow=0.0625, style_dim=64, mapping_layers=4),
]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_the_network_is_read_off_the_tensors(shape: GpenShape, tmp_path: Path) -> None:
    torch.save(published_table(Gpen(shape)), tmp_path / "any.pth")
    assert read_checkpoint(tmp_path / "any.pth").shape == shape


@pytest.mark.parametrize(("size", "multiplier", "narrow"), [(256, 1.0, 0.5), (512, 2.0, 1.0), (1024, 2.0, 1.0)])
def test_the_published_sizes_are_read_off_their_tensors(size: int, multiplier: float, narrow: float) -> None:
    from bfrbench_gpen.checkpoints import read_shape

    shape = GpenShape(size, multiplier=multiplier, narrow=narrow)
    with torch.device("meta"):
        assert read_shape(Path("x"), Gpen(shape).state_dict()) == shape


@torch.no_grad()
@pytest.mark.parametrize("kind", ["bare", "g_ema", "parallel", "half"])
def test_every_kind_of_file_gives_the_same_pictures(kind: str, tiny: Gpen, tmp_path: Path) -> None:
    table = published_table(tiny)
    files = {
        "bare": table,
        "g_ema": {"g": published_table(fill(Gpen(tiny.shape), 9)), "g_ema": table, "d": {}, "g_optim": {"step": 3}},
        "parallel": {f"module.{key}": value for key, value in table.items()},
        "half": {key: value.half() for key, value in table.items()},
    }
    torch.save(files[kind], tmp_path / "file.pth")
    checkpoint = read_checkpoint(tmp_path / "file.pth")
    assert checkpoint.part == ("g_ema" if kind == "g_ema" else None)
    tolerance = 2e-2 if kind == "half" else 1e-6
    assert torch.allclose(checkpoint.network()(faces(5, 32, 1)), tiny(faces(5, 32, 1)), atol=tolerance)


def spoil(table: dict[str, torch.Tensor], how: str) -> dict[str, torch.Tensor]:
    bias, weight, kernel = "generator.convs.1.activate.bias", "generator.convs.3.conv.weight", "ecd1.0.0.kernel"
    match how:
        case "cut":
            return {key: value for key, value in table.items() if "to_rgbs.2" not in key}
        case "more":
            return {**table, "extra.weight": torch.zeros(3)}
        case "bias":
            return {**table, bias: table[bias][:-1]}
        case "width":
            return {**table, "generator.convs.2.conv.weight": table["generator.convs.2.conv.weight"][:, :-1]}
        case "weight":
            return {**table, weight: table[weight][:, :, :-1]}
        case "kernel":
            return {**table, kernel: table[kernel] * 2}
        case "nan":
            return {**table, weight: table[weight] * float("nan")}
        case "flat":
            return {**table, "generator.input.input": table["generator.input.input"].flatten()}
        case "levels":
            return {key: value for key, value in table.items() if not key.startswith(("ecd2", "ecd3"))}
    raise AssertionError(how)


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("cut", r"32 model with multiplier 2, narrow 0.03125, but lacks generator.to_rgbs.2.bias"),
        ("more", r"has besides extra.weight"),
        ("bias", r"generator.convs.1.activate.bias is \(31,\) where it has \(32,\)"),
        ("width", r"follow no multiplier and narrow \(16 at 4, 16 at 8, 15 at 16"),
        ("weight", r"generator.convs.3.conv.weight is"),
        ("kernel", r"another low-pass filter than \[1, 3, 3, 1\] \(in ecd1.0.0.kernel\)"),
        ("nan", r"holds NaN or infinity in generator.convs.3.conv.weight"),
        ("flat", r"generator.input.input has 1 dimensions instead of 4"),
        ("levels", r"powers of two from 32, not 8"),
    ],
)
def test_an_altered_file_is_explained_in_one_sentence(how: str, said: str, tiny: Gpen, tmp_path: Path) -> None:
    torch.save(spoil(published_table(tiny), how), tmp_path / "file.pth")
    with pytest.raises(WeightsError, match=said) as caught:
        read_checkpoint(tmp_path / "file.pth")
    assert "\n" not in str(caught.value)


def test_files_of_other_networks_are_told_apart(tmp_path: Path) -> None:
    small = {"multiplier": 1.0, "narrow": 0.03125}
    others = {
        "a discriminator": Discriminator(32, **small).state_dict(),
        "a StyleGAN2 generator without an encoder": Generator(32, **small).state_dict(),
        "a GFPGAN": {"stylegan_decoder.constant_input.weight": torch.zeros(1)},
        "empty": {},
    }
    for name, table in others.items():
        torch.save(table, tmp_path / "other.pth")
        with pytest.raises(WeightsError, match=name):
            read_checkpoint(tmp_path / "other.pth")


def test_a_pickle_with_code_and_a_cut_file_are_refused(tiny_file: Path, tmp_path: Path) -> None:
    class Bomb:
        def __reduce__(self) -> tuple[object, ...]:
            return (Path.touch, (tmp_path / "ran",))

    torch.save({"g_ema": Bomb()}, tmp_path / "bomb.pth")
    (tmp_path / "cut.pth").write_bytes(tiny_file.read_bytes()[:-4096])
    for name in ("bomb.pth", "cut.pth"):
        with pytest.raises(WeightsError, match=name):
            read_checkpoint(tmp_path / name)
    assert not (tmp_path / "ran").exists()
