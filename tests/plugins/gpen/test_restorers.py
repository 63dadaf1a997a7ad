from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from bfrbench_gpen import tasks
from bfrbench_gpen.checkpoints import published_table
from bfrbench_gpen.network import Gpen, GpenShape
from bfrbench_gpen.plugin import bfrbench_restorers
from bfrbench_gpen.restorers import Inpainting, SegmentationToFace
from PIL import Image

import bfrbench
from bfrbench.contracts import Batch
from bfrbench.degradations import apply, load_recipe
from bfrbench.errors import UnknownName, UsageError, WeightsError
from bfrbench.imaging.convert import to_tensor
from bfrbench.restorers import RestorerContext
from bfrbench.testing import check_restorer
from tests.nn.seeded import faces, fill
from tests.shared_data import faces_hq

PUBLISHED = [spec for spec in bfrbench_restorers() if spec.weights and spec.argument == "optional"]
"""Those whose weights do not lie in the package."""


@pytest.fixture
def network_file(tmp_path: Path):  # type: ignore[no-untyped-def]
    def make(size: int) -> Path:
        path = tmp_path / f"{size}.pth"
        shape = GpenShape(size, multiplier=1.0, narrow=0.015625, style_dim=64)
        torch.save(published_table(fill(Gpen(shape), 1)), path)
        return path

    return make


@pytest.mark.parametrize("name", ["gpen", "gpen-sr"])
def test_restorers_conform(name: str, tiny_file: Path, sr_file: Path) -> None:
    outcomes = check_restorer(f"{name}:{sr_file if name == 'gpen-sr' else tiny_file}")
    assert [one for one in outcomes if not one.good] == []
    assert {one.verdict for one in outcomes if one.check == "state-round-trip"} == {"passed"}


def test_a_restorer_gives_what_the_network_gives(tiny: Gpen, tiny_file: Path) -> None:
    restorer = bfrbench.load_restorer("gpen", weights=str(tiny_file))
    images = faces(5, 32, 2) / 2 + 0.5
    out = restorer.restore(Batch(("a", "b"), images, (0, 0)))
    with torch.no_grad():
        assert torch.allclose(out, (tiny(images * 2 - 1) / 2 + 0.5).clamp(0, 1), atol=1e-5)


def test_alpha_mixes_the_restored_face_with_what_came_in(tiny_file: Path) -> None:
    images = faces(5, 32, 2) / 2 + 0.5
    batch = Batch(("a", "b"), images, (0, 0))

    def answer(point: float | None = None, **options: str) -> torch.Tensor:
        return bfrbench.load_restorer(f"gpen:{tiny_file}", **options).restore(replace(batch, point=point))

    whole, half = answer(), (answer() + images) / 2
    assert torch.equal(answer(alpha="0"), images) and torch.equal(answer(alpha="1"), whole)
    assert torch.allclose(answer(alpha="0.5"), half, atol=1e-6)
    assert torch.allclose(answer(point=0.5), half, atol=1e-6)
    assert torch.equal(answer(point=1.0, alpha="0.5"), whole), "the run's operating point counts more"
    restorer = bfrbench.load_restorer(f"gpen:{tiny_file}", alpha="0.5").restorer
    assert torch.allclose(restorer.portable()[0](images), half, atol=1e-5)  # type: ignore[attr-defined]
    for wrong in ("1.5", "-0.1", "much"):
        with pytest.raises(UsageError, match=f"alpha of gpen is '{wrong}'; give a number from 0 to 1"):
            answer(alpha=wrong)
    with pytest.raises(UnknownName, match="option of gpen-colorization"):
        bfrbench.load_restorer(f"gpen-colorization:{tiny_file}", alpha="0.5")


def test_a_photograph_of_another_size_keeps_its_size(tiny_file: Path) -> None:
    image = np.asarray(Image.open(faces_hq(1)[0]).convert("RGB").resize((50, 50)))
    restored = bfrbench.load_restorer("gpen", weights=str(tiny_file))(image)
    assert restored.shape == image.shape
    assert restored.dtype == np.uint8
    assert not np.array_equal(restored, image)


@pytest.mark.parametrize("spec", PUBLISHED, ids=lambda spec: spec.id)
def test_missing_weights_are_named_and_never_made_up(spec: bfrbench.RestorerSpec) -> None:
    with pytest.raises(WeightsError, match=spec.weights[0]):
        bfrbench.load_restorer(spec.id)


def test_weights_of_another_size_are_explained(tiny_file: Path, sr_file: Path) -> None:
    with pytest.raises(
        WeightsError, match=r"32 model with multiplier 2, narrow 0.03125, and gpen-512 works at 512; use gpen:"
    ):
        bfrbench.load_restorer("gpen-512", weights=str(tiny_file))
    with pytest.raises(WeightsError, match=r"32→64 model .* use gpen-sr:"):
        bfrbench.load_restorer("gpen", weights=str(sr_file))
    with pytest.raises(WeightsError, match="which gpen-sr does not run; use gpen:"):
        bfrbench.load_restorer("gpen-sr", weights=str(tiny_file))
    with pytest.raises(WeightsError, match="there is no file nowhere"):
        bfrbench.load_restorer("gpen", weights="nowhere.pth")
    with pytest.raises(UsageError, match="needs a GPEN checkpoint"):
        bfrbench.load_restorer("gpen")


def test_colorization_sees_grey_and_keeps_the_brightness_of_other_sizes(network_file) -> None:  # type: ignore[no-untyped-def]
    restorer = bfrbench.load_restorer("gpen-colorization-1024", weights=str(network_file(64))).restorer
    colour = faces(5, 64, 1) / 2 + 0.5
    same = restorer.restore(Batch(("a",), colour, (0,)))
    assert torch.allclose(same, restorer.restore(Batch(("a",), tasks.grey(colour), (0,))), atol=1e-5)
    small = torch.full((1, 3, 48, 48), 0.5)
    kept = tasks.with_luma_of(torch.rand(1, 3, 48, 48) * 0.2 + 0.4, small)
    assert torch.allclose(tasks.luma(kept), tasks.luma(small), atol=1e-5)
    out = restorer.restore(Batch(("a",), small, (0,)))
    free = ((out > 0) & (out < 1)).all(dim=1, keepdim=True)
    assert bool(free.any())
    assert torch.allclose(tasks.luma(out)[free], tasks.luma(small)[free], atol=1e-4)


def test_inpainting_shows_the_network_what_the_recipe_paints(tiny: Gpen, tiny_file: Path) -> None:
    face = np.random.default_rng(5).integers(0, 200, (32, 32, 3), dtype=np.uint8)
    pair = apply(face, load_recipe("strokes").draw(1, "face"))
    struck = to_tensor(pair.lq)[None]
    assert bool((struck == 1).all(dim=1).any())
    spec = replace(next(one for one in bfrbench_restorers() if one.id == "gpen-inpainting-1024"), size=32)
    out = Inpainting(RestorerContext(spec, str(tiny_file))).restore(Batch(("a",), struck, (0,)))
    with torch.no_grad():
        assert torch.allclose(out, (tiny(struck * 2 - 1) / 2 + 0.5).clamp(0, 1), atol=1e-5)


def test_segmentation_to_face_works_in_zero_to_one(tiny: Gpen, tiny_file: Path) -> None:
    from dataclasses import replace

    from bfrbench.restorers import RestorerContext

    spec = replace(next(one for one in bfrbench_restorers() if one.id == "gpen-seg2face-512"), size=32)
    labels = (faces(5, 32, 1) > 0).float()
    out = SegmentationToFace(RestorerContext(spec, str(tiny_file))).restore(Batch(("a",), labels, (0,)))
    with torch.no_grad():
        assert torch.allclose(out, tiny(labels).clamp(0, 1), atol=1e-5)


def test_super_resolution_hangs_on_the_seed_of_each_image(sr_file: Path) -> None:
    restorer = bfrbench.load_restorer("gpen-sr", weights=str(sr_file))
    images = (faces(5, 64, 1) / 2 + 0.5).expand(2, -1, -1, -1)
    out = restorer.restore(Batch(("a", "b"), images, (1, 2)))
    assert not torch.allclose(out[0], out[1], atol=1e-3)
    assert torch.allclose(out[1], restorer.restore(Batch(("b",), images[:1], (2,)))[0], atol=1e-5)


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_narrow_precisions_restore_alike(precision: str, tiny_file: Path) -> None:
    images = faces(5, 32, 1) / 2 + 0.5
    exact = bfrbench.load_restorer("gpen", weights=str(tiny_file)).restore(Batch(("a",), images, (0,)))
    narrow = bfrbench.load_restorer("gpen", weights=str(tiny_file), precision=precision)  # type: ignore[arg-type]
    out = narrow.restore(Batch(("a",), images, (0,)))
    assert out.dtype == torch.float32
    assert float((out - exact).abs().mean()) < 0.01
