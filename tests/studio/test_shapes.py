"""The small shapes, against implementations that are not ours."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.interpolate import CubicHermiteSpline

from bfrbench.studio import noise
from bfrbench.studio.curves import soft_max, spline, step
from bfrbench.studio.mesh import Mesh, normals, triangles
from bfrbench.studio.raster import look


def test_a_spline_is_the_hermite_spline_of_scipy() -> None:
    knots = np.array([-2.0, -1.0, 0.5, 1.0, 3.0])
    values = np.array([0.3, 1.0, -0.5, 2.0, 1.0])
    slopes = np.gradient(values, knots)
    slopes[0] = slopes[-1] = 0
    x = np.linspace(-2, 3, 301)
    assert np.allclose(spline(x, knots, values), CubicHermiteSpline(knots, values, slopes)(x), atol=1e-12)
    assert np.allclose(spline(np.array([-9.0, 9.0]), knots, values), [0.3, 1.0])


def test_steps_rise_fall_and_stay_between_their_ends() -> None:
    x = np.linspace(-2, 2, 101)
    up, down = step(x, -1, 1), step(x, 1, -1)
    assert np.allclose(up + down, 1)
    assert (np.diff(up) >= 0).all() and up[0] == 0 and up[-1] == 1


def test_the_soft_maximum_never_lies_below_the_maximum() -> None:
    a, b = np.random.default_rng(0).normal(size=(2, 100))
    assert (soft_max(a, b, 0.1) >= np.maximum(a, b)).all()


def test_noise_has_no_seam() -> None:
    tile = noise.tile("pores", 1, 2)
    u = np.linspace(0, 1, 50, dtype=np.float32)
    assert np.allclose(noise.read(tile, u, u * 0), noise.read(tile, u + 3, u * 0 - 2), atol=1e-3)
    across = np.abs(np.diff(np.concatenate([tile[:, -1:], tile[:, :1]], axis=1)))
    assert across.mean() < 1.3 * np.abs(np.diff(tile, axis=1)).mean()


def test_normals_of_a_ball_point_away_from_its_middle() -> None:
    theta, height = np.meshgrid(np.linspace(0, 2 * np.pi, 64, endpoint=False), np.linspace(0.95, -0.95, 64))
    radius = np.sqrt(1 - height**2)
    ball = np.stack([radius * np.sin(theta), height, radius * np.cos(theta)], -1)
    found = normals(ball, closed=True)[2:-2]
    assert ((found * ball[2:-2]).sum(-1) > 0.99).all()


def _soup(seed: int, count: int) -> tuple[Mesh, np.ndarray, np.ndarray]:
    """Triangles at depths of their own, so that nearest is never in doubt."""
    rng = np.random.default_rng(seed)
    screen = rng.uniform(-4, 36, size=(count * 3, 2))
    depth = np.repeat(rng.permutation(count).astype(float), 3)
    faces = np.arange(count * 3, dtype=np.int32).reshape(-1, 3)
    flat = np.zeros((count * 3, 3))
    cover = np.ones(count * 3)
    return Mesh(flat, flat, flat, flat, cover, faces, np.zeros(count, np.uint8), np.ones(count, bool)), screen, depth


def _seen_one_by_one(mesh: Mesh, screen: np.ndarray, depth: np.ndarray, size: int) -> np.ndarray:
    nearest = np.full((size, size), -1)
    best = np.full((size, size), np.inf)
    centre = np.arange(size) + 0.5
    x, y = np.meshgrid(centre, centre)
    for index, (i, j, k) in enumerate(mesh.faces):
        a, b, c = screen[i], screen[j], screen[k]
        matrix = np.array([b - a, c - a]).T
        second, third = np.einsum("ij,jhw->ihw", np.linalg.inv(matrix), np.stack([x - a[0], y - a[1]]))
        inside = (second >= 0) & (third >= 0) & (second + third <= 1) & (depth[i] < best)
        nearest[inside], best[inside] = index, depth[i]
    return nearest


@pytest.mark.parametrize("seed", range(6))
def test_every_pixel_sees_the_nearest_triangle(seed: int) -> None:
    mesh, screen, depth = _soup(seed, 25)
    seen = look(mesh, screen, depth, 32)
    found = np.full(32 * 32, -1)
    found[seen.pixel] = seen.face
    expected = _seen_one_by_one(mesh, screen, depth, 32)
    assert (found.reshape(32, 32) != expected).sum() <= 3  # only pixels whose middle lies on an edge may differ


def test_what_is_interpolated_is_linear_on_the_screen() -> None:
    mesh, screen, depth = _soup(3, 8)
    seen = look(mesh, screen, depth, 32)
    at = seen.interpolate(mesh.faces, screen)
    assert np.allclose(at[0], seen.pixel % 32 + 0.5, atol=2e-3)
    assert np.allclose(at[1], seen.pixel // 32 + 0.5, atol=2e-3)


def test_a_grid_has_two_triangles_a_cell_and_closes_on_demand() -> None:
    assert len(triangles(4, 5, closed=False)) == 2 * 3 * 4
    closed = triangles(4, 5, closed=True)
    assert len(closed) == 2 * 3 * 5 and set(np.unique(closed)) == set(range(20))


@pytest.mark.filterwarnings("error")
def test_a_step_of_no_width_is_a_jump() -> None:
    x = np.array([-1.0, 0.0, 1.0])
    assert step(x, 0.0, 0.0).tolist() == [0, 1, 1]
    assert step(x, np.array([0.0, 0.0, -1.0]), np.array([0.0, 0.0, 1.0])).tolist() == [0, 1, 1]


def test_a_step_falls_where_its_end_lies_below_its_start() -> None:
    assert step(np.array([0.0, 0.5, 1.0]), 1.0, 0.0).tolist() == [1, 0.5, 0]
