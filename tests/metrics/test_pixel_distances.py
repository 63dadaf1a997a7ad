from __future__ import annotations

import math

import numpy as np
import pyiqa
import pytest
import torch
from skimage.metrics import peak_signal_noise_ratio, structural_similarity
from torchmetrics.functional.image import (
    multiscale_structural_similarity_index_measure,
    structural_similarity_index_measure,
)

from bfrbench.metrics.ms_ssim import EXPONENTS, MsSsimChoices, ms_ssim
from bfrbench.metrics.planes import matched
from bfrbench.metrics.psnr import PsnrChoices, psnr
from bfrbench.metrics.ssim import SsimChoices, ssim
from tests.metrics.real_pairs import faces, hwc, spoilt

PLANES = {"colour": "rgb", "rounded": False, "crop": 0, "match_colour": False}


@pytest.fixture(scope="module")
def pairs() -> tuple[torch.Tensor, torch.Tensor]:
    gt = faces(2)
    return spoilt(gt), gt


def psnr_of(pair, **choices) -> list[float]:
    return psnr(*pair, PsnrChoices(**(PLANES | {"epsilon": 0.0} | choices))).tolist()


def ssim_of(pair, **choices) -> list[float]:
    return ssim(*pair, SsimChoices(**(PLANES | {"negative": "keep"} | choices))).tolist()


def test_psnr_agrees_with_scikit_image(pairs):
    theirs = [peak_signal_noise_ratio(hwc(gt), hwc(restored)) for restored, gt in zip(*pairs, strict=True)]
    assert psnr_of(pairs) == pytest.approx(theirs, rel=1e-7)


def test_psnr_with_its_epsilon_agrees_with_pyiqa(pairs):
    assert psnr_of(pairs, epsilon=1e-8) == pytest.approx(pyiqa.create_metric("psnr")(*pairs).tolist(), rel=1e-5)
    luma = pyiqa.create_metric("psnry")(*pairs).flatten().tolist()
    assert psnr_of(pairs, epsilon=1e-8, colour="y-full") == pytest.approx(luma, rel=1e-5)


def test_studio_luma_scores_the_ratio_of_the_ranges_more_than_full_luma(pairs):
    more = np.subtract(psnr_of(pairs, colour="y-studio"), psnr_of(pairs, colour="y-full"))
    assert more == pytest.approx([20 * math.log10(255 / 219)] * 2, abs=0.02)


def test_identical_images_have_infinite_psnr_unless_an_epsilon_caps_it(pairs):
    same = (pairs[1], pairs[1])
    assert psnr_of(same) == [math.inf] * 2
    assert psnr_of(same, epsilon=1e-8) == pytest.approx([80.0] * 2)


def test_matching_colour_hides_a_gain_and_a_shift_of_channels():
    gt = faces(1, 256)
    hidden = psnr_of(((gt * 0.8 + 0.05), gt), match_colour=True)[0]
    assert psnr_of(((gt * 0.8 + 0.05), gt))[0] < 30 < 100 < hidden


def test_matching_colour_gives_mean_and_deviation_of_the_ground_truth(pairs):
    ours = matched(*pairs)
    assert torch.allclose(ours.mean((2, 3)), pairs[1].mean((2, 3)), atol=1e-6)
    assert torch.allclose(ours.std((2, 3)), pairs[1].std((2, 3)), atol=1e-6)


def test_matching_the_colour_of_a_flat_channel_only_shifts_it():
    flat = torch.full((1, 3, 16, 16), 0.25)
    gt = torch.rand(1, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(matched(flat, gt), gt.mean((2, 3), keepdim=True).expand_as(gt), atol=1e-6)


def test_ssim_agrees_with_scikit_image(pairs):
    theirs = [
        structural_similarity(
            hwc(gt), hwc(restored), channel_axis=2, gaussian_weights=True, sigma=1.5, use_sample_covariance=False
        )
        for restored, gt in zip(*pairs, strict=True)
    ]
    assert ssim_of(pairs) == pytest.approx(theirs, rel=1e-5)


@pytest.mark.parametrize(("name", "colour"), [("ssimc", "rgb"), ("ssim", "y-full")])
def test_ssim_agrees_with_pyiqa(pairs, name, colour):
    theirs = pyiqa.create_metric(name)(*pairs).flatten().tolist()
    assert ssim_of(pairs, colour=colour, rounded=True, negative="zero") == pytest.approx(theirs, rel=1e-5)


def ms_ssim_of(pair, **choices) -> list[float]:
    fixed = PLANES | {"odd_sides": "drop", "when_small": "fail"} | choices
    return ms_ssim(*pair, MsSsimChoices(**fixed)).tolist()


@pytest.mark.parametrize("size", [512, 301])
def test_ms_ssim_agrees_with_pyiqa(pairs, size):
    cut = tuple(side[..., :size, :size] for side in pairs)
    theirs = pyiqa.create_metric("ms_ssim")(*cut).flatten().tolist()
    ours = ms_ssim_of(cut, colour="y-full", rounded=True, odd_sides="pad")
    assert ours == pytest.approx(theirs, rel=1e-5)


def torchmetrics_ms_ssim(restored: torch.Tensor, gt: torch.Tensor) -> torch.Tensor:
    """torchmetrics' own terms, scale by scale. Its combination counts a mirrored border at the last scale only."""
    product = torch.ones(len(gt), dtype=gt.dtype)
    for scale, exponent in enumerate(EXPONENTS):
        terms = {"data_range": 1.0, "reduction": "none"}
        if scale == len(EXPONENTS) - 1:
            term = structural_similarity_index_measure(restored, gt, return_full_image=True, **terms)[1]
            term = term[..., 5:-5, 5:-5].flatten(1).mean(1)
        else:
            term = structural_similarity_index_measure(restored, gt, return_contrast_sensitivity=True, **terms)[1]
        product *= term.clamp_min(0) ** exponent
        restored, gt = (torch.nn.functional.avg_pool2d(side, 2) for side in (restored, gt))
    return product


@pytest.mark.parametrize("size", [256, 301])
def test_ms_ssim_agrees_with_torchmetrics_inside_the_border(pairs, size):
    cut = tuple(side[:2, ..., :size, :size].double() for side in pairs)
    assert ms_ssim_of(cut) == pytest.approx(torchmetrics_ms_ssim(*cut).tolist(), rel=1e-5)


@pytest.mark.parametrize("size", [256, 301])
def test_ms_ssim_differs_from_torchmetrics_by_its_mirrored_border_alone(pairs, size):
    cut = tuple(side[:2, ..., :size, :size].double() for side in pairs)
    theirs = multiscale_structural_similarity_index_measure(*cut, data_range=1.0, normalize="relu", reduction="none")
    assert ms_ssim_of(cut) == pytest.approx(theirs.tolist(), rel=5e-3)


def test_ms_ssim_of_small_images_takes_the_scales_that_fit_or_fails(pairs):
    small = tuple(side[..., 200:328, 200:328] for side in pairs)
    assert all(0 < value < 1 for value in ms_ssim_of(small, when_small="fewer-scales"))
    assert all(math.isnan(value) for value in ms_ssim_of(small))


def test_cropping_cuts_the_border_before_comparing(pairs):
    inside = tuple(side[..., 7:-7, 7:-7] for side in pairs)
    assert psnr_of(pairs, crop=7) == psnr_of(inside)
