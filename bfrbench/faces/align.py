"""Five-point alignment: templates, the similarity that carries points onto them, warping, and the exact inverse.

A matrix is 2×3 float64 and maps (x, y) of the source to (x, y) of the target; pixel centres are at integers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np

from bfrbench.errors import InputError

if TYPE_CHECKING:
    import numpy.typing as npt

    from bfrbench.contracts import Points

    Matrix: TypeAlias = npt.NDArray[np.float64]

Border: TypeAlias = Literal["black", "mirror"]
Filter: TypeAlias = Literal["linear", "cubic"]

FFHQ_512 = np.array(
    [
        [192.98138, 239.94708],
        [318.90277, 240.1936],
        [256.63416, 314.01935],
        [201.26117, 371.41043],
        [313.08905, 371.15118],
    ],
    np.float32,
)
"""Mean five points of FFHQ's 512-pixel crops, as the field's tools use them."""
GPEN_512 = np.array(
    [[202.041, 242.884], [309.430, 242.290], [256.077, 303.959], [211.960, 366.828], [300.891, 366.336]], np.float32
)
"""The crop that GPEN's published models were run on: the ArcFace points in a wider square."""
ARCFACE_112 = np.array(
    [[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]], np.float32
)
"""The points that ArcFace networks were trained on, in a 112-pixel crop."""


def template(points: Points, size: int, of: int) -> Points:
    """A template for crops of `of` pixels, for crops of `size`: the same place of the image, not of the pixel grid."""
    return ((points.astype(np.float64) + 0.5) * (size / of) - 0.5).astype(np.float32) if size != of else points


def similarity(source: Points, target: Points) -> Matrix:
    """Rotation, one scale and a shift that carry `source` nearest to `target` (least squares, no reflection)."""
    if not (np.isfinite(source).all() and np.isfinite(target).all()):
        raise InputError("alignment points are not finite numbers", "leave this face out")
    a, b = _complex(source), _complex(target)
    a_mean, b_mean = a.mean(), b.mean()
    spread = float((np.abs(a - a_mean) ** 2).sum())
    turn = complex((np.conj(a - a_mean) * (b - b_mean)).sum()) / spread if spread > 0 else 0j
    if abs(turn) < 1e-9:
        raise InputError("alignment points lie on one spot", "leave this face out")
    shift = complex(b_mean - turn * a_mean)
    return np.array([[turn.real, -turn.imag, shift.real], [turn.imag, turn.real, shift.imag]])


def inverse(matrix: Matrix) -> Matrix:
    """The matrix that leads back, solved in float64: not fitted a second time."""
    linear = np.linalg.inv(matrix[:, :2])
    return np.hstack([linear, -linear @ matrix[:, 2:]])


def compose(second: Matrix, first: Matrix) -> Matrix:
    """First `first`, then `second`."""
    return np.hstack([second[:, :2] @ first[:, :2], second[:, :2] @ first[:, 2:] + second[:, 2:]])


def scaling(x: float, y: float) -> Matrix:
    """What resizing an image by these factors does to its coordinates."""
    return np.array([[x, 0, (x - 1) / 2], [0, y, (y - 1) / 2]])


def scale_of(matrix: Matrix) -> float:
    """How much longer lengths become."""
    return float(np.sqrt(abs(np.linalg.det(matrix[:, :2]))))


def apply(matrix: Matrix, points: Points) -> Points:
    """Where points go."""
    moved: Points = (points.astype(np.float64) @ matrix[:, :2].T + matrix[:, 2]).astype(np.float32)
    return moved


def warp(
    image: npt.NDArray[Any],
    matrix: Matrix,
    size: tuple[int, int],
    *,
    border: Border = "black",
    filter: Filter = "linear",
    shrink: bool = False,
) -> npt.NDArray[Any]:
    """Draw an image through `matrix` onto a canvas of `size` (width, height).

    `shrink` averages pixels first where the canvas is less than a third as fine as the image, which plain
    interpolation would alias. Recognition networks were trained without it, so it is off unless asked for.
    """
    import cv2

    image, matrix = _needed_part(image, matrix, size)
    if shrink and (factor := int(1 / (1.5 * max(scale_of(matrix), 1e-6)))) > 1:
        height, width = image.shape[:2]
        small = (max(1, round(width / factor)), max(1, round(height / factor)))
        image = cv2.resize(image, small, interpolation=cv2.INTER_AREA)
        matrix = compose(matrix, inverse(scaling(small[0] / width, small[1] / height)))
    mode = cv2.BORDER_CONSTANT if border == "black" else cv2.BORDER_REFLECT_101
    flags = cv2.INTER_LINEAR if filter == "linear" else cv2.INTER_CUBIC
    return cv2.warpAffine(image, matrix, size, flags=flags, borderMode=mode)


def _needed_part(image: npt.NDArray[Any], matrix: Matrix, size: tuple[int, int]) -> tuple[npt.NDArray[Any], Matrix]:
    """The part of a large image that the canvas can see; OpenCV refuses more than 32,767 pixels a side."""
    height, width = image.shape[:2]
    if max(height, width) <= 2048:
        return image, matrix
    corners = np.array([[0, 0], [size[0], 0], [0, size[1]], list(size)], np.float32)
    seen = apply(inverse(matrix), corners)
    reach = float(np.ptp(seen, axis=0).max())  # a mirrored border needs as much again on each side
    low = np.clip(np.floor(seen.min(0) - reach), 0, (width - 1, height - 1)).astype(int)
    high = np.clip(np.ceil(seen.max(0) + reach), low + 1, (width, height)).astype(int)
    return image[low[1] : high[1], low[0] : high[0]], compose(matrix, np.array([[1, 0, low[0]], [0, 1, low[1]]], float))


def _complex(points: Points) -> npt.NDArray[np.complex128]:
    return points[:, 0].astype(np.float64) + 1j * points[:, 1].astype(np.float64)
