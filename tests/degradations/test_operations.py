from __future__ import annotations

import io
import math

import cv2
import numpy as np
import pytest
import scipy.ndimage
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from bfrbench.degradations import codecs, colour, filtering, noise, tasks
from bfrbench.degradations.filtering import to_uint8
from bfrbench.degradations.kernels import defocus, gaussian_1d, kernel_of, motion, sinc
from bfrbench.errors import InputError
from tests.degradations.pictures import faces, made_up

BLURS = [
    {"kernel": "iso", "size": 41, "sigma": 6.0},
    {"kernel": "iso", "size": 7, "sigma": 0.0},
    {"kernel": "aniso", "size": 41, "sigma_x": 9.0, "sigma_y": 1.5, "rotation": 33.0},
    {"kernel": "generalized-iso", "size": 21, "sigma": 2.0, "beta": 0.6},
    {"kernel": "plateau-aniso", "size": 15, "sigma_x": 2.0, "sigma_y": 1.0, "rotation": -70.0, "beta": 1.7},
]


@pytest.mark.parametrize("args", BLURS)
def test_blur_is_scipys_within_a_grey_level_on_real_faces(args: dict[str, float]) -> None:
    kernel = kernel_of("blur", args)
    for image in (face[150:350, 150:330] for face in faces(2)):
        ours = filtering.blur(image, kernel)
        theirs = np.stack(
            [scipy.ndimage.correlate(image[..., c].astype(float), kernel, mode="mirror") for c in range(3)], 2
        )
        assert np.abs(ours - theirs).max() < 1e-3


@pytest.mark.parametrize("args", BLURS)
@pytest.mark.parametrize("method", ["linear", "area", "cubic"])
@pytest.mark.parametrize("side", [17, 100, 333, 512, 600])
def test_blur_and_resize_in_one_are_opencvs_two_calls(args: dict[str, float], method: str, side: int) -> None:
    kernel = kernel_of("blur", args)
    image = faces(1)[0]
    ours = filtering.blur_resize(image, kernel, (side, side + 7), method)
    blurred = cv2.filter2D(image.astype(np.float64), -1, kernel)
    theirs = cv2.resize(blurred, (side + 7, side), interpolation=filtering.INTERPOLATIONS[method])
    assert np.abs(ours - theirs).max() < 1e-3


@pytest.mark.parametrize("method", ["linear", "area", "cubic"])
@pytest.mark.parametrize("size", [(37, 91), (256, 256), (511, 300), (700, 801)])
def test_resize_is_opencvs_within_a_grey_level_on_real_faces(method: str, size: tuple[int, int]) -> None:
    image = faces(1)[0]
    for dtype in (np.uint8, np.float32):
        theirs = cv2.resize(image.astype(dtype), size[::-1], interpolation=filtering.INTERPOLATIONS[method])
        ours = to_uint8(filtering.resize(image, size, method))
        assert np.abs(ours.astype(int) - np.clip(np.rint(theirs), 0, 255).astype(int)).max() <= 1


@pytest.mark.parametrize("times", [3, 5, 7])
def test_a_blur_before_an_enlargement_by_a_whole_number_is_opencvs(times: int) -> None:
    """A cubic weight of exactly nothing lets a window start later than the next output's."""
    kernel = kernel_of("blur", BLURS[1])
    image = made_up(40, 33)
    size = (40 * times, 33 * times)
    assert (np.diff(filtering.window(40, size[0], "cubic").starts) < 0).any()
    ours = filtering.blur_resize(image, kernel, size, "cubic")
    blurred = cv2.filter2D(image.astype(np.float64), -1, kernel)
    assert np.abs(ours - cv2.resize(blurred, size[::-1], interpolation=cv2.INTER_CUBIC)).max() < 1e-3


@given(st.integers(1, 70), st.integers(1, 70), st.sampled_from(["linear", "area", "cubic"]))
@settings(max_examples=80, deadline=None)
def test_a_window_holds_all_of_opencvs_weights(source: int, target: int, method: str) -> None:
    axis = filtering.window(source, target, method)
    signal = np.arange(source, dtype=float) ** 2 % 17
    ours = (signal[axis.starts[:, None] + np.arange(axis.weights.shape[1])] * axis.weights).sum(1)
    theirs = cv2.resize(np.tile(signal[:, None], (1, 4)), (4, target), interpolation=filtering.INTERPOLATIONS[method])
    assert np.allclose(ours, theirs[:, 0], atol=1e-9)


@pytest.mark.parametrize("quality", [1, 5, 30, 49, 50, 75, 95, 100])
def test_jpeg_bytes_are_pillows_at_4_2_0(quality: int) -> None:
    for image in (faces(1)[0], made_up(97, 61)):
        file = io.BytesIO()
        Image.fromarray(image).save(file, "JPEG", quality=quality, subsampling="4:2:0")
        assert codecs.jpeg_bytes(image, quality) == file.getvalue()
        assert (codecs.jpeg(image, quality) == np.asarray(Image.open(file).convert("RGB"))).all()


def test_webp_is_pillows() -> None:
    image = faces(1)[0]
    file = io.BytesIO()
    Image.fromarray(image).save(file, "WEBP", quality=40)
    assert (codecs.webp(image, 40) == np.asarray(Image.open(file).convert("RGB"))).all()


def test_jitter_is_torchvisions() -> None:
    import torch
    from torchvision.transforms import functional

    image = faces(1)[0][:200, :220]
    theirs = torch.from_numpy(image).permute(2, 0, 1).float() / 255
    ours = image.astype(np.float32)
    for change, factor in (("saturation", 1.4), ("hue", -0.08), ("contrast", 0.6), ("brightness", 1.3), ("hue", 0.1)):
        theirs = getattr(functional, f"adjust_{change}")(theirs, factor)
        ours = colour.jitter(ours, {"order": [change], change: factor})
        assert np.abs(ours - theirs.permute(1, 2, 0).numpy() * 255).max() < 0.02, change


def test_grey_is_opencvs() -> None:
    image = faces(1)[0]
    theirs = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    assert np.abs(to_uint8(colour.grey(image.astype(np.float32)))[..., 1].astype(int) - theirs).max() <= 1


def test_haze_light_and_shift_do_what_they_say() -> None:
    image = np.full((40, 60, 3), 100, np.float32)
    assert np.allclose(colour.haze(image, {"alpha": 0.8}), 131)
    lit = colour.light(image.copy(), {"gain": 0.5, "angle": 0.0})[..., 0]
    assert lit[:, 0].max() < 52 and lit[:, -1].min() > 99 and (np.diff(lit, axis=1) > 0).all()
    assert np.ptp(lit, axis=0).max() < 1e-3
    shifted = colour.shift(image.copy(), {"red": -120.0, "green": 20.0, "blue": 200.0})
    assert shifted[0, 0].tolist() == [0, 120, 255]


def test_kernels_are_the_functions_they_are_named_after() -> None:
    gauss = scipy.ndimage.gaussian_filter(np.pad([[1.0]], 20), 2.0, truncate=20 / 2.0, mode="constant")
    assert np.allclose(kernel_of("blur", {"kernel": "iso", "size": 41, "sigma": 2.0}), gauss, atol=1e-12)
    across = kernel_of("blur", {"kernel": "aniso", "size": 21, "sigma_x": 3.0, "sigma_y": 1.0, "rotation": 0.0})
    assert np.allclose(across, gaussian_1d(21, 1.0)[:, None] * gaussian_1d(21, 3.0), atol=1e-12)
    turned = kernel_of("blur", {"kernel": "aniso", "size": 21, "sigma_x": 3.0, "sigma_y": 1.0, "rotation": 90.0})
    assert np.allclose(turned, across.T, atol=1e-12)
    flat = kernel_of("blur", {"kernel": "plateau-iso", "size": 9, "sigma": 1.5, "beta": 2.0})
    at = np.arange(9) - 4
    assert np.allclose(flat / flat[4, 4], 1 / (((at[:, None] ** 2 + at**2) / 1.5**2) ** 2 + 1))


def test_sinc_passes_what_lies_below_its_cutoff_and_stops_what_lies_above() -> None:
    response = np.abs(np.fft.fft(sinc(101, math.pi / 2).sum(0), 1024))
    assert response[40] == pytest.approx(1, abs=0.1)
    assert response[400] < 0.1


def test_motion_and_defocus_have_their_length_and_radius() -> None:
    line = motion(15.0, 0.0)
    assert line.sum() == pytest.approx(1) and (line[line.shape[0] // 2] > 0.01).sum() in (15, 16)
    assert np.count_nonzero(line.sum(1) > 1e-9) == 1
    slanted = motion(15.0, 30.0)
    y, x = (np.indices(slanted.shape) - slanted.shape[0] // 2) * slanted
    assert abs(x.sum()) < 1e-6 and abs(y.sum()) < 1e-6
    assert motion(0.0, 12.0).max() == pytest.approx(1)
    disc = defocus(5.0)
    assert disc[5, 0] > 0 and disc[0, 0] == 0 and disc.max() == disc[5, 5]
    assert (1 / disc.max()) == pytest.approx(math.pi * 25, rel=0.01)


def test_normal_noise_is_normal_and_grey_noise_is_one_field() -> None:
    field = noise.normal(12345, 0, (400, 400, 3)) / noise.GRAIN
    assert abs(field.mean()) < 4 / math.sqrt(field.size) and abs(field.std() - 1) < 0.005
    assert scipy.stats.kstest(field.ravel()[:20_000], "norm").pvalue > 1e-4
    assert abs(np.corrcoef(field[..., 0].ravel(), field[..., 1].ravel())[0, 1]) < 0.012
    assert (noise.normal(12345, 0, (4, 4, 3)) == (field.ravel()[:48] * noise.GRAIN).reshape(4, 4, 3)).all()
    assert abs(np.corrcoef(field.ravel(), (noise.normal(12345, 1, field.shape)).ravel())[0, 1]) < 0.007


def test_the_normal_table_is_the_inverse_of_the_normal_distribution() -> None:
    table = noise.normal_table() / noise.GRAIN
    middle = (np.arange(noise.LEVELS) + 0.5) / noise.LEVELS
    assert np.abs(table - scipy.stats.norm.ppf(middle)).max() <= 0.5001 / noise.GRAIN
    assert (table == -table[::-1]).all()


@pytest.mark.parametrize("level", [0, 1, 30, 255])
def test_photon_noise_has_the_variance_of_its_mean(level: int) -> None:
    ramp = np.arange(256, dtype=np.uint8)[None, :, None].repeat(1000, 0)
    excess = noise.poisson_excess(ramp, 9, 0)[:, level, 0]
    counts = excess * 256 / 255 + level * 256 / 255
    assert np.allclose(counts, np.rint(counts), atol=1e-3) and counts.min() > -1e-3
    assert abs(excess.mean()) < 5 * math.sqrt(level + 0.01) / math.sqrt(1000)
    assert excess.var() == pytest.approx(level * 255 / 256, rel=0.25, abs=0.01)


def test_the_poisson_table_is_scipys_distribution() -> None:
    table = noise.poisson_table(256).reshape(256, -1)
    for level in (1, 7, 100, 255):
        share = np.cumsum(np.bincount(table[level], minlength=400)) / noise.LEVELS
        assert np.abs(share - scipy.stats.poisson.cdf(np.arange(len(share)), level * 256 / 255)).max() < 1e-5


def test_strokes_are_white_lines_and_nothing_else() -> None:
    args = {"lines": [{"width": 9, "corners": [[0.1, 0.5], [0.9, 0.5]]}]}
    mask = tasks.strokes_mask(64, 100, args)
    assert mask[32, 10:89].all() and not mask[:25].any() and not mask[40:].any()
    assert abs(int(mask[:, 50].sum()) - 9) <= 2  # OpenCV's thick lines


def test_the_palette_needs_a_parsing_map_of_the_right_size_and_classes() -> None:
    labels = np.array([[0, 1], [13, 18]], np.uint8)
    assert tasks.palette(labels, (2, 2, 3))[1, 1].tolist() == [0, 204, 0]
    for wrong, told in ((None, "needs a parsing map"), (labels[:1], "one-channel"), (labels + 5, "class 23")):
        with pytest.raises(InputError, match=told):
            tasks.palette(wrong, (2, 2, 3))
