"""Pasting back changes nothing outside the mask, little inside for an identity, and leaves no seam."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from bfrbench.faces.align import FFHQ_512, scale_of, similarity, warp
from bfrbench.faces.detect import FaceDetector
from bfrbench.faces.parse import FaceParser
from bfrbench.faces.paste import footprint, match_colours, paste, soft_mask

Image = np.ndarray


def _cut(image: Image, points: np.ndarray) -> tuple[np.ndarray, Image]:
    matrix = similarity(points, FFHQ_512)
    return matrix, warp(image, matrix, (512, 512), border="mirror", filter="cubic", shrink=True)


def test_an_identity_changes_nothing_outside_the_mask_and_little_inside(
    yunet: FaceDetector, portraits: list[Image], photographs: list[Image]
) -> None:
    mask, inside = soft_mask(512), []
    for image in portraits[:8] + photographs:
        for face in yunet(image)[:4]:
            matrix, crop = _cut(image, face.points)
            out = image.copy()
            paste(out, crop, matrix, mask)
            share = footprint(image.shape, matrix, mask)
            change = np.abs(out.astype(int) - image)
            assert change[share == 0].max(initial=0) == 0
            inside.append(change[share > 0].mean())
    assert len(inside) >= 15
    assert np.mean(inside) <= 1
    assert max(inside) <= 2


def test_a_changed_face_changes_nothing_outside_the_mask(yunet: FaceDetector, photographs: list[Image]) -> None:
    image = photographs[0]
    matrix, crop = _cut(image, yunet(image)[0].points)
    out = image.copy()
    paste(out, 255 - crop, matrix, soft_mask(512))
    share = footprint(image.shape, matrix, soft_mask(512))
    assert (out != image)[share > 0.5].mean() > 0.9
    assert np.array_equal(out[share == 0], image[share == 0])


def test_the_mask_is_convex_and_ends_before_the_border() -> None:
    mask = soft_mask(128)
    assert mask.min() == 0 and mask.max() == 1
    assert mask[0].max() == mask[-1].max() == mask[:, 0].max() == mask[:, -1].max() == 0
    inside = np.argwhere(mask > 0.5)
    rng = np.random.default_rng(0)
    a, b = inside[rng.integers(0, len(inside), 500)], inside[rng.integers(0, len(inside), 500)]
    middle = np.rint((a + b) / 2).astype(int)
    assert (mask[middle[:, 0], middle[:, 1]] > 0.45).all()


def test_the_seam_is_far_weaker_than_a_rectangles(yunet: FaceDetector, photographs: list[Image]) -> None:
    """A face pasted 30 levels brighter: how steep does the picture become where the paste ends?"""
    ratios = []
    for image in photographs:
        for face in yunet(image)[:1]:
            matrix, crop = _cut(image, face.points)
            bright = np.clip(crop.astype(int) + 30, 0, 255).astype(np.uint8)
            box = np.ones((512, 512), np.float32)
            steps = []
            for mask in (soft_mask(512), box):
                out = image.copy()
                paste(out, bright, matrix, mask)
                change = (out.astype(float) - image).mean(axis=2)
                share = footprint(image.shape, matrix, mask)
                border = (share > 0) & (share < 0.999) if mask is not box else np.abs(np.gradient(share)).sum(0) > 0
                steep = np.abs(np.gradient(change)).sum(axis=0)
                steps.append(np.percentile(steep[border], 95) if border.any() else 0.0)
            if steps[1] > 0:
                ratios.append(steps[0] / steps[1])
    assert len(ratios) >= 3
    assert np.median(ratios) < 0.5


def test_a_face_outside_the_picture_or_cut_by_its_border_is_harmless(portraits: list[Image]) -> None:
    image = portraits[0]
    for shift in ((-400, 0), (300, 300), (5000, 5000)):
        points = FFHQ_512 + np.array(shift, np.float32)
        matrix, crop = _cut(image, points)
        out = image.copy()
        paste(out, crop, matrix, soft_mask(512))
        assert out.shape == image.shape
        change = np.abs(out.astype(int) - image)
        assert change.mean() <= 2


@pytest.mark.parametrize("how", ["statistics", "lowpass"])
def test_a_colour_cast_is_taken_back(portraits: list[Image], how: str) -> None:
    crop = portraits[0]
    cast = np.clip(crop.astype(int) * 0.9 + np.array([20, -5, -15]), 0, 255).astype(np.uint8)
    before = np.abs(cast.astype(int) - crop).mean()
    after = np.abs(match_colours(cast, crop, how, soft_mask(512)).astype(int) - crop).mean()  # type: ignore[arg-type]
    assert after < 0.35 * before
    assert match_colours(cast, crop, "none", soft_mask(512)) is cast


@pytest.mark.parametrize("name", [pytest.param("parsenet", marks=pytest.mark.slow), "bisenet"])
def test_a_parsed_mask_stays_within_the_soft_one(tmp_path: Path, portraits: list[Image], name: str) -> None:
    from bfrbench.faces.parse import _empty

    torch.manual_seed(0)
    torch.save(_empty(name).state_dict(), tmp_path / f"{name}.pth")
    mask = FaceParser(name, tmp_path / f"{name}.pth")(portraits[0][:256, :256])
    assert mask.shape == (256, 256)
    assert mask.dtype == np.float32
    assert (mask <= soft_mask(256) + 1e-6).all()


def test_scale_says_how_much_longer_lengths_become() -> None:
    assert scale_of(similarity(FFHQ_512 / 2, FFHQ_512)) == pytest.approx(2)
