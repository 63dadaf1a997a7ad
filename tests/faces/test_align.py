"""Alignment equals the libraries', and its inverse is exact."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from insightface.utils import face_align
from skimage.transform import SimilarityTransform

from bfrbench.errors import InputError
from bfrbench.faces import align

Image = np.ndarray
_number = st.floats(-500, 500, width=32)
_five = st.lists(st.tuples(_number, _number), min_size=5, max_size=5, unique=True).map(
    lambda p: np.array(p, np.float32)
)


@settings(max_examples=60, deadline=None)
@given(points=_five)
def test_the_similarity_is_the_least_squares_one(points: np.ndarray) -> None:
    if np.ptp(points, axis=0).max() < 1:
        return
    matrix = align.similarity(points, align.FFHQ_512)
    theirs = SimilarityTransform.from_estimate(points, align.FFHQ_512)

    def off(m: np.ndarray) -> float:
        moved = points.astype(np.float64) @ m[:, :2].T + m[:, 2]
        return float(((moved - align.FFHQ_512) ** 2).sum())

    if theirs:
        assert off(matrix) <= off(theirs.params[:2]) * (1 + 1e-6) + 1e-6
    assert matrix[0, 0] == pytest.approx(matrix[1, 1])
    assert matrix[0, 1] == pytest.approx(-matrix[1, 0])


@settings(max_examples=60, deadline=None)
@given(points=_five)
def test_there_and_back_is_where_it_started(points: np.ndarray) -> None:
    if np.ptp(points, axis=0).max() < 1:
        return
    matrix = align.similarity(points, align.FFHQ_512)
    if align.scale_of(matrix) < 1e-3:
        return  # points without any likeness to a face
    back = align.compose(align.inverse(matrix), matrix)
    assert np.allclose(back, [[1, 0, 0], [0, 1, 0]], atol=1e-6 * max(1, 1 / align.scale_of(matrix)))


def test_the_recognition_crop_is_insightfaces(portraits: list[Image], yunet: object) -> None:
    for image in portraits[:4]:
        points = yunet(image)[0].points  # type: ignore[operator]
        ours = align.warp(image, align.similarity(points, align.ARCFACE_112), (112, 112))
        theirs = face_align.norm_crop(image, points, 112)
        assert np.abs(ours.astype(int) - theirs).mean() < 0.05


def test_points_on_one_spot_or_not_finite_are_refused() -> None:
    with pytest.raises(InputError, match="one spot"):
        align.similarity(np.ones((5, 2), np.float32), align.FFHQ_512)
    with pytest.raises(InputError, match="not finite"):
        align.similarity(np.full((5, 2), np.nan, np.float32), align.FFHQ_512)


def test_a_template_keeps_its_place_at_another_size() -> None:
    half = align.template(align.FFHQ_512, 256, 512)
    assert np.allclose((half + 0.5) * 2 - 0.5, align.FFHQ_512, atol=1e-4)


@pytest.mark.parametrize("border", ["black", "mirror"])
def test_a_large_image_is_cut_before_it_is_warped_and_looks_the_same(
    border: align.Border, portraits: list[Image]
) -> None:
    canvas = np.tile(portraits[0], (5, 6, 1))
    for at in ((1500, 900), (20, 30), (3000, 2500)):
        points = (align.FFHQ_512 - 256) * 0.6 + np.array(at, np.float32)
        matrix = align.similarity(points, align.FFHQ_512)
        found = align.warp(canvas, matrix, (512, 512), border=border)
        import cv2

        mode = cv2.BORDER_CONSTANT if border == "black" else cv2.BORDER_REFLECT_101
        whole = cv2.warpAffine(canvas, matrix, (512, 512), flags=cv2.INTER_LINEAR, borderMode=mode)
        assert np.abs(found.astype(int) - whole).mean() < 0.3


def test_shrinking_averages_what_plain_interpolation_would_alias() -> None:
    stripes = np.zeros((1200, 1200, 3), np.uint8)
    stripes[:, ::2] = 255
    matrix = align.scaling(0.1, 0.1)
    plain = align.warp(stripes, matrix, (120, 120)).astype(float)
    averaged = align.warp(stripes, matrix, (120, 120), shrink=True).astype(float)
    assert np.abs(averaged[10:-10, 10:-10] - 127.5).max() < 12
    assert np.abs(averaged - 127.5).mean() <= np.abs(plain - 127.5).mean()
