from __future__ import annotations

import numpy as np
import pytest
import torch

from bfrbench.metrics.probe_colour import ColourChoices, colour_shift
from bfrbench.metrics.probe_level import LevelChoices, level_shift
from bfrbench.metrics.probe_sharpness import SharpnessChoices, sharpness_ratio
from bfrbench.metrics.probe_shift import ShiftChoices, displacement
from tests.metrics.real_pairs import faces

SHIFT = ShiftChoices(smoothing=2.0)
SHARP = SharpnessChoices(scale=1.0, floor=0.01)


@pytest.fixture(scope="module")
def gt() -> torch.Tensor:
    return faces(3, 256)


def softened(images: torch.Tensor) -> torch.Tensor:
    padded = torch.nn.functional.pad(images, (2, 2, 2, 2), mode="reflect")
    return torch.nn.functional.avg_pool2d(padded, 5, stride=1)


def test_a_shift_is_measured_with_its_direction(gt):
    right = torch.roll(gt, 1, 3)
    half_down = (gt + torch.roll(gt, 1, 2)) / 2
    np.testing.assert_allclose(displacement(right, gt, SHIFT), [[1, 0]] * 3, atol=0.1)
    np.testing.assert_allclose(displacement(half_down, gt, SHIFT), [[0, 0.5]] * 3, atol=0.05)


def test_a_soft_restorer_is_not_blamed_for_moving(gt):
    assert displacement(softened(gt), gt, SHIFT).abs().max() < 0.03


def test_a_flat_image_has_no_displacement_to_measure(gt):
    flat = torch.full_like(gt, 0.5)
    assert displacement(gt, flat, SHIFT).isnan().all()


def test_swapped_channels_show_as_a_colour_shift_and_blur_does_not(gt):
    choices = ColourChoices(grid=4)
    assert (colour_shift(gt.flip(1), gt, choices) > 10).all()
    assert (colour_shift(softened(gt), gt, choices) < 1).all()


def test_truncation_shows_as_half_a_level_too_dark(gt):
    fine = gt + (torch.rand(gt.shape, generator=torch.Generator().manual_seed(1)) - 0.5) / 255
    rounded, truncated = ((fine.clamp(0, 1) * 255 + half).floor() / 255 for half in (0.5, 0.0))
    choices = LevelChoices(colour="rgb")
    assert (level_shift(rounded, fine, choices).abs() < 0.05).all()
    assert level_shift(truncated, fine, choices).numpy() == pytest.approx([-0.5] * 3, abs=0.05)


def test_sharpness_is_signed_and_zero_for_the_ground_truth(gt):
    sharpened = (gt + 0.5 * (gt - softened(gt))).clamp(0, 1)
    assert (sharpness_ratio(sharpened, gt, SHARP) > 0.3).all()
    assert (sharpness_ratio(softened(gt), gt, SHARP) < -1).all()
    assert sharpness_ratio(gt, gt, SHARP).tolist() == [0, 0, 0]
