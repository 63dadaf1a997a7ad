from __future__ import annotations

import os
import subprocess
import sys

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bfrbench.contracts import Draw, Op
from bfrbench.degradations import apply, load_recipe, noise, shipped_names
from bfrbench.degradations.kernels import kernel_of
from bfrbench.errors import InputError
from tests.degradations.golden import __file__ as golden_file
from tests.degradations.golden import codecs, golden, pixels
from tests.degradations.pictures import faces, made_up, psnr


def _draw(*ops: tuple[str, dict[str, object]], key: int = 5) -> Draw:
    return Draw("0" * 64, "a", 0, key, tuple(Op(name, args) for name, args in ops))


def test_pixels_are_what_they_always_were() -> None:
    if codecs() != golden()["codecs"]:
        pytest.skip(f"golden pixels are of {golden()['codecs']}, here are {codecs()}")
    assert pixels() == golden()["pixels"]


@pytest.mark.parametrize("name", ["gfpgan", "codeformer-2", "vqfr-2", "difface"])
def test_a_classic_recipe_is_the_fields_five_opencv_calls(name: str) -> None:
    recipe = load_recipe(name)
    for place, image in enumerate(faces(3)):
        draw = recipe.draw(1, str(place))
        ops = tuple(op for op in draw.ops if op.name in ("blur", "resize", "gaussian", "jpeg"))
        ours = apply(image, Draw(draw.recipe, draw.image_id, 0, draw.noise_key, ops)).lq
        theirs = _five_calls(image, ops, draw.noise_key)
        assert psnr(ours, theirs) > 55
        assert (np.abs(ours.astype(int) - theirs).max(2) > 1).mean() < 0.01


def _five_calls(image: np.ndarray, ops: tuple[Op, ...], key: int) -> np.ndarray:
    blur, down, grain, jpeg, _ = ops
    height, width = image.shape[:2]
    x = cv2.filter2D(image.astype(np.float32) / 255, -1, kernel_of("blur", blur.args))
    ratio = down.args["ratio"]
    x = cv2.resize(x, (int(width // ratio), int(height // ratio)), interpolation=cv2.INTER_LINEAR)
    x = np.clip(x + noise.normal(key, 0, x.shape) / noise.GRAIN * (grain.args["sigma"] / 255), 0, 1)
    file = cv2.imencode(".jpg", (x * 255).astype(np.float32)[..., ::-1], [1, jpeg.args["quality"]])[1]
    x = cv2.imdecode(file, 1)[..., ::-1].astype(np.float32) / 255
    return np.clip((cv2.resize(x, (width, height)) * 255).round(), 0, 255).astype(np.uint8)


def test_threads_change_no_byte() -> None:
    told = set()
    for threads in ("1", "2"):
        names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "OPENCV_FOR_THREADS_NUM")
        env = {**os.environ, **dict.fromkeys(names, threads)}
        shown = subprocess.run([sys.executable, golden_file], capture_output=True, check=True, env=env)
        told.add(shown.stdout)
    assert len(told) == 1


@given(
    st.integers(8, 70),
    st.integers(8, 70),
    st.sampled_from(sorted(set(shipped_names()) - {"palette"})),
    st.integers(0, 2**31),
    st.sampled_from(["", "@128"]),
)
@settings(max_examples=60, deadline=None)
def test_any_size_and_any_draw_give_an_image_of_the_right_size_and_type(
    height: int, width: int, name: str, seed: int, size: str
) -> None:
    image = made_up(height, width)
    before = image.copy()
    pair = apply(image, load_recipe(name + size).draw(seed, "a"))
    assert pair.lq.shape == pair.gt.shape == image.shape
    assert pair.lq.dtype == pair.gt.dtype == np.uint8
    assert (image == before).all()
    pair.lq[:] = 0
    assert (image == before).all()


def test_a_resize_truncates_as_the_fields_code_does_and_never_reaches_zero() -> None:
    small = apply(made_up(50, 41), _draw(("resize", {"method": "linear", "ratio": 8.0, "of": "current"})))
    assert small.lq.shape == (6, 5, 3)
    point = apply(made_up(50, 41), _draw(("resize", {"method": "area", "ratio": 500.0, "of": "current"})))
    assert point.lq.shape == (1, 1, 3)


def test_flip_grey_and_move_change_the_target_as_well() -> None:
    image = made_up(40, 50)
    flipped = apply(image, _draw(("flip", {})))
    assert (flipped.gt == image[:, ::-1]).all() and (flipped.lq == flipped.gt).all()
    grey = apply(image, _draw(("grey", {"target": True})))
    assert (grey.gt == grey.lq).all() and np.ptp(grey.gt, axis=2).max() == 0
    assert (apply(image, _draw(("grey", {"target": False}))).gt == image).all()
    moved = apply(image, _draw(("move", {"x": 3, "y": -2})))
    assert (moved.gt[:-2, 3:] == image[2:, :-3]).all()
    assert (moved.gt[:, :3] == moved.gt[:, 3:6][:, ::-1]).all()


def test_a_patch_keeps_its_inside_and_takes_the_rest_from_the_second_way() -> None:
    image = made_up(60, 60)
    around = [{"name": "shift", "args": {"red": 50.0, "green": 50.0, "blue": 50.0}}]
    pair = apply(image, _draw(("patch", {"side": 20, "x": 0.5, "y": 0.0, "around": around})))
    assert (pair.lq[:20, 20:40] == image[:20, 20:40]).all()
    assert (pair.lq[30:] == np.clip(image[30:].astype(int) + 50, 0, 255)).all()


def test_image_and_target_stay_aligned_when_a_moved_image_has_a_patch() -> None:
    recipe = load_recipe("restoreformer-pp")
    draws = (recipe.draw(0, str(i)) for i in range(2000))
    draw = next(d for d in draws if {"move", "patch"} <= {op.name for op in d.ops})
    move = next(op for op in draw.ops if op.name == "move")
    again = next(op for op in draw.ops if op.name == "patch").args["around"]
    assert [op["args"] for op in again if op["name"] == "move"] == [dict(move.args)]


def test_noise_fields_of_one_draw_differ() -> None:
    flat = np.full((32, 32, 3), 128, np.uint8)
    once = apply(flat, _draw(("gaussian", {"sigma": 10.0, "grey": False}))).lq.astype(float) - 128
    twice = apply(flat, _draw(*(("gaussian", {"sigma": 10.0, "grey": False}),) * 2)).lq.astype(float) - 128
    assert abs(np.corrcoef(once.ravel(), (twice - once).ravel())[0, 1]) < 0.1
    grey = apply(flat, _draw(("gaussian", {"sigma": 10.0, "grey": True}))).lq
    assert np.ptp(grey, axis=2).max() == 0 and grey.std() > 8


def test_what_is_no_image_or_no_known_step_is_refused() -> None:
    image = made_up(16, 16)
    for wrong in (image[..., 0], image.astype(np.float32), np.dstack([image, image[..., :1]])):
        with pytest.raises(InputError, match="RGB"):
            apply(wrong, _draw())
    with pytest.raises(InputError, match="'blurr'; did you mean blur"):
        apply(image, _draw(("blurr", {})))
    with pytest.raises(InputError, match="needs a parsing map"):
        apply(image, load_recipe("palette").draw(0, "a"))
    small = ("resize", {"method": "linear", "ratio": 2.0, "of": "current"})
    with pytest.raises(InputError, match="patch needs"):
        apply(image, _draw(small, ("patch", {"side": 4, "x": 0, "y": 0, "around": []})))


def test_harder_draws_look_worse() -> None:
    image = faces(1)[0]
    recipe = load_recipe("codeformer-2")
    draws = sorted((recipe.draw(0, str(i)) for i in range(24)), key=recipe.severity)
    found = [psnr(apply(image, draw).lq, image) for draw in draws]
    assert np.mean(found[:6]) > np.mean(found[-6:]) + 0.5
