"""The device road of the degradations on a GPU against the same road on the CPU: equal noise, to the bit."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from bfrbench.contracts import Draw, Op
from bfrbench.degradations import apply_batch, load_recipe, noise, shipped_names
from bfrbench.degradations.device import noise as device_noise
from bfrbench.degradations.device.weights import resize_weights
from tests.degradations.pictures import psnr
from tests.gpu.comparing import DEVICE, prepared

pytestmark = pytest.mark.cuda

SIZE = 64


def faces(device: str) -> torch.Tensor:
    levels = np.stack([one.gt for one in prepared(6, SIZE) if one.gt is not None])
    return torch.from_numpy(levels).permute(0, 3, 1, 2).float().div(255).to(device)


def levels(images: torch.Tensor) -> np.ndarray:
    found: np.ndarray = (images.detach() * 255).round().cpu().numpy().astype(np.uint8)
    return found


@pytest.mark.parametrize("name", sorted(set(shipped_names()) - {"palette"}))
def test_a_device_degrades_as_the_cpu_does(name: str) -> None:
    """A pixel may round the other way, and a coefficient of JPEG, whose step is then in the whole block."""
    recipe = load_recipe(f"{name}@{SIZE}")
    draws = [recipe.draw(2, str(place)) for place in range(6)]
    (ours, our_target), (theirs, their_target) = (apply_batch(faces(device), draws) for device in (DEVICE, "cpu"))
    assert ours.device.type == torch.device(DEVICE).type
    coded = any(op.name in ("jpeg", "webp") for draw in draws for op in draw.ops)
    found = [psnr(a, b) for a, b in zip(levels(ours), levels(theirs), strict=True)]
    assert np.mean(found) >= (45 if coded else 60), found
    assert np.abs(levels(our_target).astype(int) - levels(their_target)).max() <= 1


def test_rare_steps_agree_as_well() -> None:
    around = [{"name": "shift", "args": {"red": 50.0, "green": 9.0, "blue": -50.0}}]
    for op in (
        Op("light", {"gain": 0.4, "angle": 50.0}),
        Op("haze", {"alpha": 0.7}),
        Op("move", {"x": -5, "y": 7}),
        Op("flip", {}),
        Op("grey", {"target": True}),
        Op("motion", {"length": 9.0, "angle": 20.0}),
        Op("defocus", {"radius": 3.5}),
        Op("sinc", {"size": 13, "cutoff": 1.2}),
        Op("patch", {"side": 20, "x": 0.3, "y": 0.9, "around": around}),
        Op("gaussian", {"sigma": 9.0, "grey": False}),
        Op("poisson", {"scale": 1.5, "grey": True}),
        Op("poisson", {"scale": 1.5, "grey": False}),
    ):
        draws = [Draw("0" * 64, "a", 0, 3, (op,))] * 6
        ours, theirs = (levels(apply_batch(faces(device), draws)[0]) for device in (DEVICE, "cpu"))
        assert np.abs(ours.astype(int) - theirs).max() <= 1, op


def test_the_palette_is_coloured_there_too() -> None:
    labels = torch.randint(0, 19, (1, 16, 16), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    draw = load_recipe("palette").draw(0, "a")
    ours, theirs = (
        levels(apply_batch(faces(device)[:1, :, :16, :16], [draw], labels=labels.to(device))[0])
        for device in (DEVICE, "cpu")
    )
    assert (ours == theirs).all()


def test_noise_words_are_numpys() -> None:
    keys, counts = [(2**63 - 1, 0), (123456789012345, 3)], [37, 64 * 64 * 3]
    made = device_noise.words(keys, counts, torch.device(DEVICE))
    for (key, field), count, ours in zip(keys, counts, made, strict=True):
        assert (ours.cpu().numpy() == noise.words(key, field, count)).all()


@pytest.mark.parametrize("method", ["linear", "area", "cubic"])
def test_resize_weights_are_the_same(method: str) -> None:
    sources, targets = [54, 37, 64, 5], [58, 64, 23, 60]
    ours, theirs = (resize_weights(sources, targets, method, torch.device(device)) for device in (DEVICE, "cpu"))
    assert torch.allclose(ours.cpu(), theirs, atol=1e-6)


def test_gradients_pass_after_a_run_without_them() -> None:
    """What the first run keeps must serve a training later."""
    draws = [Draw("0" * 64, "a", 0, 3, (Op("jpeg", {"quality": 60}),))] * 6
    with torch.inference_mode():
        apply_batch(faces(DEVICE), draws)
    given = faces(DEVICE).requires_grad_()
    apply_batch(given, draws)[0].sum().backward()
    assert given.grad is not None and bool(given.grad.isfinite().all()) and bool(given.grad.any())
