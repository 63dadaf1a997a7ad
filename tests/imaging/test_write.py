"""Written images land whole, without loss where the format allows it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bfrbench.errors import InputError, UsageError
from bfrbench.imaging.read import read_image, read_picture
from bfrbench.imaging.write import write_image
from tests.shared_data import faces_hq

NOISE = np.random.default_rng(0).integers(0, 256, (20, 30, 3), np.uint8)


@pytest.mark.parametrize("suffix", [".png", ".webp", ".tif", ".bmp", ".PNG"])
def test_lossless_formats_give_the_same_pixels_back(tmp_path: Path, suffix: str) -> None:
    write_image(tmp_path / f"a{suffix}", NOISE)
    assert np.array_equal(read_image(tmp_path / f"a{suffix}"), NOISE)


def test_a_jpeg_of_a_real_face_stays_near(tmp_path: Path) -> None:
    image = read_image(faces_hq(1)[0])
    write_image(tmp_path / "a.jpg", image)
    assert np.abs(read_image(tmp_path / "a.jpg").astype(int) - image).mean() < 2
    with Image.open(tmp_path / "a.jpg") as opened:
        assert opened.layer[0][1:3] == (1, 1)  # full colour resolution


def test_exif_profile_and_transparency_survive(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x010F] = "maker"
    alpha = NOISE[..., 0]
    write_image(tmp_path / "a.png", NOISE, alpha=alpha, exif=exif.tobytes(), icc=b"\0" * 16 + b"RGB " + b"\0" * 108)
    picture = read_picture(tmp_path / "a.png")
    assert np.array_equal(picture.alpha, alpha)
    assert b"maker" in picture.exif
    assert picture.icc[16:20] == b"RGB "


def test_what_cannot_be_written_is_said_and_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="suffix"):
        write_image(tmp_path / "a.gif", NOISE)
    with pytest.raises(UsageError, match="transparency"):
        write_image(tmp_path / "a.jpg", NOISE, alpha=NOISE[..., 0])
    with pytest.raises(InputError, match="no image"):
        write_image(tmp_path / "a.png", NOISE.astype(np.float32))
    with pytest.raises(UsageError, match="cannot be written"):
        write_image(Path("/proc/nowhere/a.png"), NOISE)
    assert list(tmp_path.iterdir()) == []
