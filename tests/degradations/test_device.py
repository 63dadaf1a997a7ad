from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image

from bfrbench.contracts import Draw, Op
from bfrbench.degradations import apply, apply_batch, codecs, load_recipe, noise, shipped_names
from bfrbench.degradations.device import noise as device_noise
from bfrbench.degradations.device.jpeg import CHROMA_TABLE, LUMA_TABLE, simulate, table
from bfrbench.degradations.device.weights import resize_weights
from bfrbench.degradations.filtering import INTERPOLATIONS
from bfrbench.errors import InputError
from tests.degradations.pictures import faces, made_up, psnr


def _batch(images: list[np.ndarray]) -> torch.Tensor:
    return torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).float() / 255


def _pixels(batch: torch.Tensor) -> np.ndarray:
    return (batch.detach() * 255).round().permute(0, 2, 3, 1).numpy().astype(np.uint8)


@pytest.mark.parametrize("name", sorted(set(shipped_names()) - {"palette"}))
def test_the_device_road_agrees_with_the_exact_one_on_real_faces(name: str) -> None:
    size = 128
    images = [cv2.resize(face, (size, size), interpolation=cv2.INTER_AREA) for face in faces(6)]
    recipe = load_recipe(f"{name}@{size}")
    draws = [recipe.draw(2, str(place)) for place in range(len(images))]
    lq, gt = apply_batch(_batch(images), draws)
    pairs = [apply(image, draw) for image, draw in zip(images, draws, strict=True)]
    found = [psnr(ours, pair.lq) for ours, pair in zip(_pixels(lq), pairs, strict=True)]
    coded = any(op.name == "jpeg" for op in draws[0].ops)
    assert np.mean(found) >= (40 if coded else 55), found
    assert all(np.abs(g.astype(int) - p.gt).max() <= 1 for g, p in zip(_pixels(gt), pairs, strict=True))


def test_batching_changes_nothing_that_an_8_bit_image_shows() -> None:
    images = [made_up(64, 64), made_up(64, 64)[::-1].copy(), made_up(64, 64)[:, ::-1].copy()]
    recipe = load_recipe("real-esrgan@128")
    draws = [recipe.draw(0, str(place)) for place in range(3)]
    together = _pixels(apply_batch(_batch(images), draws)[0])
    for place in range(3):
        alone = _pixels(apply_batch(_batch(images[place : place + 1]), draws[place : place + 1])[0])[0]
        assert psnr(together[place], alone) > 50


def test_rare_steps_agree_as_well() -> None:
    image = made_up(48, 56)
    lines = [{"width": 5, "corners": [[0.1, 0.2], [0.8, 0.9], [0.3, 0.7]]}]
    around = [{"name": "shift", "args": {"red": 50.0, "green": 9.0, "blue": -50.0}}]
    for op in (
        Op("webp", {"quality": 30}),
        Op("light", {"gain": 0.4, "angle": 50.0}),
        Op("haze", {"alpha": 0.7}),
        Op("move", {"x": -5, "y": 7}),
        Op("flip", {}),
        Op("grey", {"target": True}),
        Op("strokes", {"count": 1, "lines": lines}),
        Op("motion", {"length": 9.0, "angle": 20.0}),
        Op("defocus", {"radius": 3.5}),
        Op("sinc", {"size": 13, "cutoff": 1.2}),
        Op("patch", {"side": 20, "x": 0.3, "y": 0.9, "around": around}),
        Op("poisson", {"scale": 1.5, "grey": True}),
        Op("poisson", {"scale": 1.5, "grey": False}),
    ):
        draw = Draw("0" * 64, "a", 0, 3, (op,))
        pair = apply(image, draw)
        lq, gt = apply_batch(_batch([image]), [draw])
        assert np.abs(_pixels(lq)[0].astype(int) - pair.lq).max() <= 1, op
        assert np.abs(_pixels(gt)[0].astype(int) - pair.gt).max() <= 1, op


def test_the_palette_is_coloured_from_labels() -> None:
    labels = torch.randint(0, 19, (1, 16, 16), dtype=torch.uint8)
    draw = load_recipe("palette").draw(0, "a")
    lq, _ = apply_batch(_batch([made_up(16, 16)]), [draw], labels=labels)
    assert (_pixels(lq)[0] == apply(made_up(16, 16), draw, labels=labels[0].numpy()).lq).all()


def test_philox_on_a_device_is_numpys() -> None:
    for key, field in ((0, 0), (2**63 - 1, 0), (123456789012345, 3)):
        blocks = device_noise.philox(torch.arange(1, 40), torch.full((39,), key), torch.full((39,), field)).reshape(-1)
        theirs = np.random.Philox(key=key | (field << 64)).random_raw(4 * 39)
        assert (blocks.numpy().view(np.uint64) == theirs).all()


def test_words_are_cut_from_philox_as_on_the_exact_road() -> None:
    class Elsewhere:
        """A device that is not called cpu, so that the words are made by torch."""

        type = "elsewhere"

    real_arange, real_tensor = torch.arange, torch.tensor
    keys, counts = [(77, 0), (5, 2)], [37, 64]
    try:
        torch.arange = lambda *a, device=None, **k: real_arange(*a, **k)  # type: ignore[assignment]
        torch.tensor = lambda *a, device=None, **k: real_tensor(*a, **k)  # type: ignore[assignment]
        made = device_noise.words(keys, counts, Elsewhere())  # type: ignore[arg-type]
    finally:
        torch.arange, torch.tensor = real_arange, real_tensor
    for (key, field), count, ours in zip(keys, counts, made, strict=True):
        assert (ours.numpy() == noise.words(key, field, count)).all()


@given(st.integers(1, 60), st.integers(1, 60), st.sampled_from(["linear", "area", "cubic"]))
@example(54, 58, "area")
@settings(max_examples=80, deadline=None)
def test_resize_weights_are_opencvs(source: int, target: int, method: str) -> None:
    ours = resize_weights([source, 3], [target, 5], method, torch.device("cpu"))[0, :target, :source].numpy()
    theirs = cv2.resize(np.eye(source), (source, target), interpolation=INTERPOLATIONS[method])
    assert np.abs(ours - theirs).max() < 1e-4


@pytest.mark.parametrize("quality", [1, 10, 49, 50, 75, 99, 100])
def test_quantisation_tables_are_libjpegs(quality: int, tmp_path) -> None:  # type: ignore[no-untyped-def]
    Image.new("RGB", (16, 16)).save(tmp_path / "a.jpg", quality=quality)
    tables = Image.open(tmp_path / "a.jpg").quantization
    assert tables[0] == table(LUMA_TABLE, quality)
    assert tables[1] == table(CHROMA_TABLE, quality)


def test_simulated_jpeg_is_libjpegs_but_for_a_few_last_bits() -> None:
    found = []
    for place, (height, width) in enumerate([(8, 8), (9, 8), (15, 17), (16, 16), (33, 50), (48, 31), (64, 64)] * 8):
        quality, image = 3 + place * 97 // 55, made_up(height, width)
        wide = torch.zeros(3, 5, 90)
        ours, _ = simulate([torch.from_numpy(image).movedim(-1, 0).float(), wide], [quality, 50])
        found.append(psnr(ours.movedim(0, -1).numpy(), codecs.jpeg(image, quality)))
    assert min(found) > 36 and np.mean(found) > 58, found


def test_gradients_reach_the_ground_truth() -> None:
    gt = _batch([made_up(48, 48), made_up(48, 48)]).requires_grad_()
    recipe = load_recipe("gfpgan@128")
    lq, _ = apply_batch(gt, [recipe.draw(0, "a"), recipe.draw(0, "b")])
    lq.square().mean().backward()
    assert gt.grad is not None and torch.isfinite(gt.grad).all()
    assert (gt.grad.abs().sum((1, 2, 3)) > 0).all()


def test_a_wrong_batch_is_refused() -> None:
    draw = load_recipe("grey").draw(0, "a")
    for wrong in (torch.zeros(1, 1, 8, 8), torch.zeros(2, 3, 8, 8), torch.zeros(1, 3, 8, 8, dtype=torch.uint8)):
        with pytest.raises(InputError, match="N×3×H×W"):
            apply_batch(wrong, [draw])
    sizes = [Op("resize", {"method": "linear", "ratio": ratio, "of": "current"}) for ratio in (2.0, 3.0)]
    with pytest.raises(InputError, match="different sizes in the end"):
        apply_batch(torch.zeros(2, 3, 12, 12), [Draw("0" * 64, "a", 0, 0, (op,)) for op in sizes])


def test_half_precision_in_gives_half_precision_out() -> None:
    gt = _batch([made_up(32, 32)]).half()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        lq, target = apply_batch(gt, [load_recipe("sr-x4").draw(0, "a")])
    assert lq.dtype == target.dtype == torch.float16
    exact = apply(made_up(32, 32), load_recipe("sr-x4").draw(0, "a")).lq
    assert np.abs(_pixels(lq.float())[0].astype(int) - exact).max() <= 1
