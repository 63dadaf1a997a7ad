"""Pictures: the same every time, framed as asked, posed as labelled."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from bfrbench.digests import of_array
from bfrbench.errors import UsageError
from bfrbench.faces.align import FFHQ_512
from bfrbench.studio import CLASSES, EXPRESSIONS, Shot, render
from bfrbench.studio.shoot import setting

HERE = Path(__file__).parent
REFERENCE = HERE / "reference.json"
DRAWN = HERE / "reference.png"


def here() -> dict[str, object]:
    """What pixels may depend on: library versions, and the vector width that numpy's sines use."""
    from numpy._core._multiarray_umath import __cpu_features__ as cpu

    return {"numpy": np.__version__, "cv2": cv2.__version__, "avx512": bool(cpu.get("AVX512_SKX"))}


def four() -> list[Shot]:
    return [render(identity, shot, seed=5, size=64) for identity, shot in ((0, 0), (1, 3), (2, 1), (9, 7))]


def test_a_picture_has_the_recorded_digest() -> None:
    recorded = json.loads(REFERENCE.read_text())
    shots = four()
    drawn = np.asarray(Image.open(DRAWN)).reshape(64, 4, 64, 3).transpose(1, 0, 2, 3)
    for shot, known in zip(shots, drawn, strict=True):
        off = np.abs(shot.image.astype(int) - known)
        assert off.mean() < 0.05, "pixels moved: record them again only if that was meant"
    if recorded["on"] == here():
        assert [of_array(shot.image) for shot in shots] == recorded["digests"]


def test_another_process_draws_the_same_pixels() -> None:
    code = (
        "from bfrbench.studio import render; from bfrbench.digests import of_array; s = render(3, 4, seed=2, size=96);"
    )
    code += "print(of_array(s.image), of_array(s.landmarks), of_array(s.parsing))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    shot = render(3, 4, seed=2, size=96)
    assert out == [of_array(shot.image), of_array(shot.landmarks), of_array(shot.parsing)]


def test_seed_person_and_shot_each_change_the_picture() -> None:
    plain = render(0, 0, seed=1, size=64)
    for other in (render(0, 0, seed=2, size=64), render(1, 0, seed=1, size=64), render(0, 1, seed=1, size=64)):
        assert np.abs(plain.image.astype(int) - other.image).mean() > 3


@pytest.mark.parametrize("size", [64, 100, 256, 512])
def test_every_size_shows_the_same_scene(size: int) -> None:
    shot, small = render(4, 2, size=size), render(4, 2, size=64)
    assert shot.image.shape == (size, size, 3) and shot.image.dtype == np.uint8
    assert shot.parsing.shape == (size, size)
    shrunk = cv2.resize(shot.image, (64, 64), interpolation=cv2.INTER_AREA)
    assert np.abs(shrunk.astype(int) - small.image).mean() < 3
    share = (shot.landmarks + 0.5) / size
    assert np.allclose(share, (small.landmarks + 0.5) / 64, atol=1e-5)


def test_a_given_pose_changes_the_pose_and_nothing_else() -> None:
    drawn, turned = render(7, 1, size=64), render(7, 1, size=64, yaw=50, pitch=-10)
    assert (turned.pose.yaw, turned.pose.pitch) == (50, -10)
    assert (turned.expression, turned.light) == (drawn.expression, drawn.light)
    assert render(7, 1, size=64, yaw=drawn.pose.yaw, pitch=drawn.pose.pitch).image.tobytes() == drawn.image.tobytes()


def test_the_nose_goes_where_yaw_and_pitch_say() -> None:
    def nose(**pose: float) -> np.ndarray:
        five = np.mean([render(i, 0, size=128, **{"yaw": 0, "pitch": 0} | pose).points for i in range(2)], axis=0)
        return (five[2] - five[:2].mean(0)) / 128

    assert nose(yaw=30)[0] > nose()[0] + 0.03 > nose(yaw=-30)[0] + 0.06
    assert nose(pitch=20)[1] < nose()[1] - 0.02 < nose(pitch=-20)[1] - 0.04


def test_roll_is_the_slope_of_the_eyes() -> None:
    for identity in range(5):
        shot = render(identity, 0, size=64, yaw=0)
        across = shot.points[1] - shot.points[0]
        assert np.rad2deg(np.arctan2(across[1], across[0])) == pytest.approx(shot.pose.roll, abs=0.3)


def test_faces_are_framed_as_ffhq_frames_them() -> None:
    five = np.array([render(i, 0, size=64, yaw=0, pitch=0).points for i in range(12)])
    template = (FFHQ_512 + 0.5) / 8 - 0.5
    eyes = template[1, 0] - template[0, 0]
    away = np.linalg.norm(five - template, axis=2) / eyes
    assert np.median(away) < 0.06 and away.max() < 0.3
    assert np.abs(five.mean(0) - template).max() / eyes < 0.07


def test_extreme_poses_stay_in_the_picture() -> None:
    for yaw in (-75, 75):
        for pitch in (-40, 0, 40):
            shot = render(6, 0, size=64, yaw=yaw, pitch=pitch)
            assert (shot.points > 2).all() and (shot.points < 62).all()
            assert np.isin(shot.parsing, [CLASSES.index("skin"), CLASSES.index("nose")]).mean() > 0.1


def test_all_expressions_come_and_are_told() -> None:
    drawn = {setting(0, i, 0, yaw=None, pitch=None).expression.name for i in range(200)}
    assert drawn == set(EXPRESSIONS)
    assert render(3, 0, size=64).expression == setting(0, 3, 0, yaw=None, pitch=None).expression.name


def test_pictures_have_fine_texture() -> None:
    """Between neighbouring pixels of cheeks there is more than a gradient, so that there is something to restore."""
    shot = render(5, 0, size=512, yaw=0, pitch=0)
    cheek = shot.points[[0, 3]].mean(0).astype(int)
    patch = shot.image[cheek[1] - 20 : cheek[1] + 20, cheek[0] - 20 : cheek[0] + 20, 1].astype(float)
    fine = patch - cv2.GaussianBlur(patch, (0, 0), 3)
    assert fine.std() > 1.0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"size": 32}, "64 to 512"),
        ({"size": 1024}, "64 to 512"),
        ({"yaw": 90}, "-75 to 75"),
        ({"pitch": -41}, "-40 to 40"),
    ],
)
def test_what_cannot_be_drawn_is_told(arguments: dict[str, int], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        render(0, 0, **arguments)


def test_a_pose_that_is_no_number_is_told() -> None:
    with pytest.raises(UsageError, match="yaw"):
        render(0, 0, yaw=float("nan"))
