from __future__ import annotations

import math

import numpy as np
import pyiqa
import pytest
import torch
from scipy.ndimage import convolve
from scipy.special import gamma

from bfrbench.metrics.niqe import Niqe, NiqeChoices, halved, read_model
from bfrbench.weights import WeightStore
from tests.metrics.real_pairs import faces, spoilt
from tests.shared_weights import shared_store


@pytest.fixture(scope="module")
def store(tmp_path_factory) -> WeightStore:
    return shared_store("niqe-npz", "niqe-mat", home=tmp_path_factory.mktemp("niqe"))


@pytest.fixture(scope="module")
def pictures() -> torch.Tensor:
    gt = faces(2)
    return torch.cat([gt[1:], spoilt(gt)[:1]])


def niqe(store, **choices) -> Niqe:
    fixed = {"weights": "niqe-npz", "colour": "y-studio", "rounded": True, "crop": 0, "window": "float64"} | choices
    tables = read_model(store.path(fixed["weights"]))
    return Niqe(NiqeChoices(**fixed), *(torch.from_numpy(table) for table in tables))


@pytest.mark.parametrize(("colour", "theirs", "within"), [("y-full", "yiq", 5e-4), ("y-studio", "ycbcr", 1e-4)])
def test_niqe_agrees_with_pyiqa_when_it_chooses_as_pyiqa_does(store, pictures, colour, theirs, within):
    """On some processors pyiqa's YIQ, a product of matrices in float32, puts a few levels in ten thousand that lie
    between two whole ones on the other side."""
    rival = pyiqa.create_metric("niqe", pretrained_model_path=str(store.path("niqe-mat")), color_space=theirs)
    ours = niqe(store, weights="niqe-mat", colour=colour, window="float32")(pictures)
    assert ours.tolist() == pytest.approx(rival(pictures).flatten().tolist(), rel=within)


SHAPES = np.arange(0.2, 10.001, 0.001)
RATIOS = gamma(2 / SHAPES) ** 2 / (gamma(1 / SHAPES) * gamma(3 / SHAPES))


def fit(block: np.ndarray) -> tuple[float, float, float]:
    left, right = (math.sqrt((block[side] ** 2).mean()) for side in (block < 0, block > 0))
    skew = left / right
    wanted = np.abs(block).mean() ** 2 / (block**2).mean() * (skew**3 + 1) * (skew + 1) / (skew**2 + 1) ** 2
    shape = SHAPES[np.argmin((RATIOS - wanted) ** 2)]
    scale = math.sqrt(gamma(1 / shape) / gamma(3 / shape))
    return shape, left * scale, right * scale


def block_features(block: np.ndarray) -> list[float]:
    shape, left, right = fit(block)
    found = [shape, (left + right) / 2]
    for shift in ((0, 1), (1, 0), (1, 1), (1, -1)):
        shape, left, right = fit(block * np.roll(block, shift, (0, 1)))
        found += [shape, (right - left) * gamma(2 / shape) / gamma(1 / shape), left, right]
    return found


def straightforward(image: np.ndarray, path, flat: float) -> float:
    """NIQE block by block in NumPy and SciPy, levels nearer than `flat` to their mean taken as equal to it."""
    tables = np.load(path)
    plane = np.round(image @ np.array([65.481, 128.553, 24.966]) / 255 + 16)[:480, :480]
    scales = []
    for side in (96, 48):
        mean = convolve(plane, tables["gaussian_window"], mode="nearest")
        square = convolve(plane**2, tables["gaussian_window"], mode="nearest")
        apart = np.where(np.abs(plane - mean) > flat, plane - mean, 0)
        level = apart / (np.sqrt(np.abs(square - mean**2)) + 1)
        corners = range(0, len(plane), side)
        scales.append([block_features(level[i : i + side, j : j + side]) for i in corners for j in corners])
        plane = halved(torch.from_numpy(plane)[None, None])[0, 0].numpy()
    blocks = np.concatenate([np.array(one) for one in scales], axis=1)
    apart = tables["mu_pris_param"].ravel() - blocks.mean(0)
    spread = np.linalg.pinv((tables["cov_pris_param"] + np.cov(blocks, rowvar=False)) / 2)
    return float(np.sqrt(apart @ spread @ apart))


def test_niqe_agrees_with_a_straightforward_version_of_basicsrs_choices(store, pictures):
    images = pictures.mul(255).round().permute(0, 2, 3, 1).double().numpy()
    ours = niqe(store)(pictures).tolist()
    path = store.path("niqe-npz")
    assert ours == pytest.approx([straightforward(image, path, 1e-10) for image in images], rel=1e-4)


def test_rounding_noise_in_flat_areas_is_worth_less_than_two_thousandths(store, pictures):
    image = pictures[0].mul(255).round().permute(1, 2, 0).double().numpy()
    noisy = straightforward(image, store.path("niqe-npz"), 0.0)
    assert niqe(store)(pictures[:1]).tolist() == pytest.approx([noisy], rel=2e-3)


def test_a_batch_equals_its_images(store, pictures):
    measure = niqe(store)
    assert measure(pictures).tolist() == pytest.approx([measure(one[None]).item() for one in pictures], rel=1e-9)


def test_an_image_without_texture_or_without_a_block_has_no_niqe(store):
    measure = niqe(store)
    assert measure(torch.full((2, 3, 128, 128), 0.5)).isnan().all()
    assert measure(torch.rand(1, 3, 80, 200)).isnan().all()


def test_both_published_files_hold_the_same_model(store):
    for ours, theirs in zip(read_model(store.path("niqe-npz")), read_model(store.path("niqe-mat")), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-12)
