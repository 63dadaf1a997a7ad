"""Images of every kind come out as upright 8-bit RGB, and files that mislead are refused by name."""

from __future__ import annotations

import io
import os
import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms

from bfrbench.errors import InputError
from bfrbench.imaging.picture import MAX_PIXELS, decode
from bfrbench.imaging.read import decode_image, images_in, read_image, read_picture
from tests.shared_data import faces_hq


def _noise(shape: tuple[int, ...] = (24, 32, 3), dtype: type = np.uint8) -> np.ndarray:
    return np.random.default_rng(0).integers(0, np.iinfo(dtype).max, shape, dtype, endpoint=True)


def _saved(image: Image.Image, path: Path, **settings: object) -> Path:
    image.save(path, **settings)
    return path


def test_an_ordinary_png_comes_back_as_it_was(tmp_path: Path) -> None:
    image = _noise()
    assert np.array_equal(read_image(_saved(Image.fromarray(image), tmp_path / "a.png")), image)


def test_a_real_jpeg_is_what_pillow_decodes() -> None:
    for path in faces_hq(3):
        with Image.open(path) as opened:
            assert np.array_equal(read_image(path), np.asarray(opened.convert("RGB")))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_exif_orientation_is_turned_upright(tmp_path: Path, orientation: int) -> None:
    upright = _noise((20, 12, 3))
    stored = {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.transpose(1, 0, 2),
        6: np.rot90(upright, 1),
        7: upright[::-1, ::-1].transpose(1, 0, 2),
        8: np.rot90(upright, -1),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    exif[0x010F] = "maker"
    path = _saved(Image.fromarray(np.ascontiguousarray(stored)), tmp_path / "a.png", exif=exif)
    picture = read_picture(path)
    assert np.array_equal(picture.rgb, upright)
    kept = Image.Exif()
    kept.load(picture.exif)
    assert kept.get(0x0112) is None
    assert kept[0x010F] == "maker"


@pytest.mark.parametrize("suffix", [".png", ".tiff"])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_sixteen_bits_are_rounded_to_the_nearest_level_not_cut_off(suffix: str, channels: int) -> None:
    wide = _noise((16, 18, channels) if channels > 1 else (16, 18), np.uint16)
    if channels == 4:
        wide[..., 3] = 65535
    data = cv2.imencode(suffix, wide)[1].tobytes()
    expected = np.rint(wide.astype(np.float64) / 257).astype(np.uint8)
    expected = np.repeat(expected[..., None], 3, axis=2) if channels == 1 else expected[..., [2, 1, 0]]
    found = decode_image(data, f"a{suffix}")
    assert np.array_equal(found, expected)
    assert not np.array_equal(found[..., 0], (wide if channels == 1 else wide[..., 2]) >> 8)


def test_a_sixteen_bit_image_is_turned_upright_too() -> None:
    wide = _noise((10, 14, 3), np.uint16)
    data = cv2.imencode(".png", wide)[1].tobytes()
    exif = Image.Exif()
    exif[0x0112] = 6
    block = exif.tobytes().removeprefix(b"Exif\0\0")
    chunk = struct.pack(">I", len(block)) + b"eXIf" + block + struct.pack(">I", zlib.crc32(b"eXIf" + block))
    data = data[:33] + chunk + data[33:]  # behind the header
    plain = np.rint(wide[..., ::-1] / 257).astype(np.uint8)
    assert np.array_equal(decode_image(data, "a.png"), np.rot90(plain, -1))


def test_grey_palette_and_bilevel_images_become_rgb(tmp_path: Path) -> None:
    grey = _noise((12, 13))
    found = read_image(_saved(Image.fromarray(grey), tmp_path / "l.png"))
    assert np.array_equal(found, np.repeat(grey[..., None], 3, axis=2))
    palette = Image.fromarray(_noise()).quantize(16)
    expected = np.asarray(palette.convert("RGB"))
    assert np.array_equal(read_image(_saved(palette, tmp_path / "p.png")), expected)
    bilevel = Image.fromarray(grey).convert("1")
    assert set(np.unique(read_image(_saved(bilevel, tmp_path / "1.png")))) == {0, 255}


def test_transparency_shows_the_background_that_was_asked_for(tmp_path: Path) -> None:
    rgba = _noise((8, 8, 4))
    rgba[..., 3] = np.linspace(0, 255, 64).reshape(8, 8)
    path = _saved(Image.fromarray(rgba), tmp_path / "a.png")
    for background in ((255, 255, 255), (0, 0, 0), (10, 200, 30)):
        under = Image.new("RGBA", (8, 8), (*background, 255))
        expected = np.asarray(Image.alpha_composite(under, Image.fromarray(rgba)).convert("RGB")).astype(int)
        assert np.abs(read_image(path, background=background).astype(int) - expected).max() <= 1
    assert np.array_equal(read_picture(path).alpha, rgba[..., 3])


def test_an_opaque_alpha_channel_changes_nothing(tmp_path: Path) -> None:
    image = _noise()
    path = _saved(Image.fromarray(image).convert("RGBA"), tmp_path / "a.png")
    assert np.array_equal(read_image(path), image)
    assert read_picture(path).alpha is None


def test_a_transparent_palette_colour_counts_as_transparency(tmp_path: Path) -> None:
    image = Image.new("P", (4, 4), 0)
    image.putpalette([255, 0, 0, 0, 0, 255])
    path = _saved(image, tmp_path / "a.png", transparency=0)
    assert (read_image(path) == 255).all()


def test_cmyk_goes_through_its_profile_and_without_one_by_the_formula(tmp_path: Path) -> None:
    cmyk = Image.fromarray(_noise((16, 16, 4)), "CMYK")
    expected = np.asarray(cmyk.convert("RGB"))
    assert np.array_equal(read_image(_saved(cmyk, tmp_path / "a.tiff")), expected)
    broken = _saved(cmyk, tmp_path / "b.tiff", icc_profile=b"no profile at all" * 10)
    with pytest.raises(InputError, match=r"b\.tiff"):
        read_image(broken)


def test_a_profile_of_rgb_travels_with_the_picture_and_is_not_applied(tmp_path: Path) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    image = _noise()
    picture = read_picture(_saved(Image.fromarray(image), tmp_path / "a.png", icc_profile=profile))
    assert picture.icc == profile
    assert np.array_equal(picture.rgb, image)


def _jpeg() -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(cv2.GaussianBlur(_noise((64, 64, 3)), (0, 0), 3)).save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


def _png() -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(_noise((40, 40, 3))).save(buffer, "PNG")
    return buffer.getvalue()


@settings(max_examples=60, deadline=None)
@given(kind=st.sampled_from(["a.jpg", "a.png"]), share=st.floats(0, 1, exclude_max=True))
def test_a_file_cut_anywhere_is_an_error_or_the_same_picture(kind: str, share: float) -> None:
    whole = _jpeg() if kind == "a.jpg" else _png()
    try:
        cut = decode(whole[: int(len(whole) * share)], kind)
    except InputError as error:
        assert kind in str(error)
    else:
        assert np.array_equal(cut.rgb, decode(whole, kind).rgb)


@pytest.mark.parametrize("kind", ["a.jpg", "a.png"])
def test_half_a_file_is_refused(kind: str) -> None:
    whole = _jpeg() if kind == "a.jpg" else _png()
    with pytest.raises(InputError, match=rf"{kind}.*(damaged|cut off)"):
        decode(whole[: len(whole) // 2], kind)


def test_sixteen_bits_cut_off_are_refused() -> None:
    data = cv2.imencode(".png", _noise((40, 40, 3), np.uint16))[1].tobytes()
    with pytest.raises(InputError, match=r"a\.png"):
        decode(data[: len(data) // 2], "a.png")


@settings(max_examples=60, deadline=None)
@given(data=st.binary(max_size=400), start=st.sampled_from([b"", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0", b"GIF89a"]))
def test_random_bytes_are_one_sentence_never_a_traceback(data: bytes, start: bytes) -> None:
    with pytest.raises(InputError, match=r"x\.png"):
        decode(start + data, "x.png")


def test_an_empty_a_tiny_and_a_missing_file_are_named(tmp_path: Path) -> None:
    (tmp_path / "empty.png").touch()
    with pytest.raises(InputError, match=r"empty\.png is empty"):
        read_image(tmp_path / "empty.png")
    with pytest.raises(InputError, match=r"dot\.png is 1×1"):
        read_image(_saved(Image.new("RGB", (1, 1)), tmp_path / "dot.png"))
    with pytest.raises(InputError, match=r"none\.png cannot be read"):
        read_image(tmp_path / "none.png")


def test_folders_pipes_and_loops_of_links_are_named(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "loop.png").symlink_to(tmp_path / "loop.png")
    with pytest.raises(InputError, match="is a folder"):
        read_image(tmp_path)
    with pytest.raises(InputError, match=r"pipe\.png is not an ordinary file"):
        read_image(tmp_path / "pipe.png")
    with pytest.raises(InputError, match=r"loop\.png cannot be read"):
        read_image(tmp_path / "loop.png")


@pytest.mark.parametrize("suffix", [".gif", ".png", ".webp", ".tiff"])
def test_an_animation_is_refused(tmp_path: Path, suffix: str) -> None:
    frames = [Image.fromarray(_noise() // (i + 1)) for i in range(3)]
    path = _saved(frames[0], tmp_path / f"a{suffix}", save_all=True, append_images=frames[1:])
    with pytest.raises(InputError, match="animated or has 3 pages"):
        read_image(path)


def test_a_name_that_says_another_format_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(_jpeg())
    with pytest.raises(InputError, match=r"a\.png holds a JPEG image, not PNG"):
        read_image(path)
    assert decode_image(_jpeg(), "lfw/Aaron_0001").shape == (64, 64, 3)


def test_a_decompression_bomb_is_refused_before_it_is_decoded() -> None:
    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    side = 60_000
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0))
    assert side * side > MAX_PIXELS
    with pytest.raises(InputError, match=r"bomb\.png has .* pixels"):
        decode(b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(bytes(1000))), "bomb.png")


def test_formats_that_start_other_programs_are_not_opened() -> None:
    with pytest.raises(InputError, match="is not an image"):
        decode(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\nshowpage\n", "a.eps")


def test_values_of_unknown_range_are_refused(tmp_path: Path) -> None:
    path = _saved(Image.fromarray(np.ones((8, 8), np.float32)), tmp_path / "a.tiff")
    with pytest.raises(InputError, match="32-bit"):
        read_image(path)


def test_a_folder_gives_its_images_by_name(tmp_path: Path) -> None:
    for name in ("b.PNG", "a.jpg", "notes.txt", ".hidden.png"):
        (tmp_path / name).touch()
    assert [path.name for path in images_in(tmp_path)] == ["a.jpg", "b.PNG"]
