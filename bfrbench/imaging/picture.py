"""From the bytes of an image file to 8-bit RGB, whatever the file holds; what cannot be used is an error that names it.

Formats, modes and bad files are decided here. Which file, and how many at a time, is for `read` and `batch`.
"""

from __future__ import annotations

import io
import warnings
from dataclasses import dataclass
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np
from PIL import ExifTags, Image, ImageCms, UnidentifiedImageError

from bfrbench.errors import InputError

if TYPE_CHECKING:
    import numpy.typing as npt

    from bfrbench.contracts import U8Image

FORMATS = ("PNG", "JPEG", "WEBP", "TIFF", "BMP", "GIF", "PPM", "JPEG2000", "AVIF")
"""What is opened at all. Pillow knows more, among them EPS and PDF, which start other programs."""
MAX_PIXELS = 2 * 89_478_485
"""The largest image that is decoded: a 13,377-pixel square, Pillow's own limit for a decompression bomb."""
MIN_SIDE = 2
WHITE = (255, 255, 255)

# The size is checked against our own limit, before anything is decoded.
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)


@dataclass(frozen=True, slots=True)
class Picture:
    """A decoded file: upright 8-bit RGB, its transparency if any, and what travels with the pixels.

    `exif` no longer asks for a rotation, because the pixels have been turned; `icc` is there only if it
    describes RGB.
    """

    rgb: U8Image
    alpha: npt.NDArray[np.uint8] | None = None
    exif: bytes = b""
    icc: bytes = b""

    def over(self, background: tuple[int, int, int]) -> U8Image:
        """The picture on a plain background."""
        if self.alpha is None:
            return self.rgb
        share = self.alpha[..., None].astype(np.float32) / 255
        mixed = self.rgb * share + np.asarray(background, np.float32) * (1 - share)
        return np.floor(mixed + 0.5).astype(np.uint8)


def decode(data: bytes, name: str) -> Picture:
    """Decode the whole content of one file; `name` says in errors which one, and its suffix what it claims to be."""
    if not data:
        raise InputError(f"{name} is empty", "give the whole file or leave it out")
    try:
        with _open(data) as opened:
            _check(opened, name)
            image = _turn(opened, _wide(data, opened))
            return _picture(image, _exif_of_turned(opened), _icc(opened))
    except InputError:
        raise
    except Image.DecompressionBombError as error:
        _too_large(name, f"more than {MAX_PIXELS:,}", error)
    except UnidentifiedImageError as error:
        raise InputError(f"{name} is not an image", f"bfrbench reads {', '.join(FORMATS)}") from error
    except MemoryError as error:
        raise InputError(f"{name} does not fit into memory", "read fewer or smaller images at once") from error
    except Exception as error:  # Pillow's decoders raise OSError, ValueError, SyntaxError, struct.error and more
        raise InputError(f"{name} is damaged or cut off ({error})", "replace the file or leave it out") from error


def size_of(data: bytes, name: str) -> tuple[int, int]:
    """Width and height from the header alone."""
    try:
        with _open(data) as opened:
            return opened.size
    except Exception as error:
        raise InputError(f"{name} is not an image", f"bfrbench reads {', '.join(FORMATS)}") from error


def _open(data: bytes) -> Image.Image:
    Image.init()  # Pillow registers most formats only when a first attempt has failed
    return Image.open(io.BytesIO(data), formats=FORMATS)


def _check(opened: Image.Image, name: str) -> None:
    """Refuse before decoding what would mislead a benchmark or fill the memory."""
    width, height = opened.size
    if width * height > MAX_PIXELS:
        _too_large(name, f"{width * height:,}", None)
    if min(width, height) < MIN_SIDE:
        raise InputError(f"{name} is {width}×{height} pixels", f"give at least {MIN_SIDE} pixels a side")
    claimed = Image.registered_extensions().get(PurePath(name).suffix.lower())
    found = "JPEG" if opened.format == "MPO" else opened.format
    if claimed is not None and found != ("JPEG" if claimed == "MPO" else claimed):
        raise InputError(f"{name} holds a {found} image, not {claimed}", "rename the file after what it holds")
    frames = getattr(opened, "n_frames", 1)
    if frames > 1 and opened.format != "MPO":  # the further images of an MPO are previews or the other eye
        raise InputError(f"{name} is animated or has {frames} pages", "save the one image that you mean")
    if opened.mode in ("I", "F"):
        raise InputError(f"{name} has 32-bit values of unknown range", "save it with 8 or 16 bits a channel")


def _too_large(name: str, pixels: str, cause: Exception | None) -> NoReturn:
    raise InputError(f"{name} has {pixels} pixels", f"the limit is {MAX_PIXELS:,}: make it smaller") from cause


def _wide(data: bytes, opened: Image.Image) -> npt.NDArray[np.uint16] | None:
    """The samples of a 16-bit colour image, which Pillow would cut down to the upper byte."""
    args = [tile.args for tile in getattr(opened, "tile", [])]
    raws = [each if isinstance(each, str) else str((each or ("",))[0]) for each in args]  # behind it stand lengths
    if not any("16" in raw for raw in raws) or opened.mode not in ("RGB", "RGBA", "LA", "RGBX"):
        return None
    import cv2

    decoded = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if decoded is None or decoded.dtype != np.uint16 or decoded.ndim != 3:
        raise ValueError("its 16-bit samples cannot be decoded")
    opened.load()  # finds a cut-off file, which OpenCV would fill with grey
    order = [2, 1, 0, 3][: decoded.shape[2]]
    wide: npt.NDArray[np.uint16] = decoded[..., order].astype(np.uint16)
    return wide


def _turn(opened: Image.Image, wide: npt.NDArray[np.uint16] | None) -> Image.Image:
    """Upright, in RGB or RGBA; copied only where something changes: copies were most of what this cost over Pillow."""
    opened.load()  # what stands behind the pixels (transparency, EXIF of a PNG) is known only then
    image = opened if wide is None else Image.fromarray(_eight_bits(wide))
    if (operation := _TURNS.get(_orientation(opened))) is not None:
        image = image.transpose(operation)
    if wide is not None:
        return image
    if image.mode.startswith("I;16"):
        grey = np.asarray(image).astype(np.uint16)
        return Image.fromarray(_eight_bits(grey)).convert("RGB")
    if image.mode == "CMYK" and (profile := opened.info.get("icc_profile")):
        return _through_profile(image, profile)
    mode = "RGBA" if image.has_transparency_data else "RGB"
    return image if image.mode == mode else image.convert(mode)


_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def _orientation(opened: Image.Image) -> int:
    value = opened.getexif().get(ExifTags.Base.Orientation, 1)
    return value if isinstance(value, int) else 1


def _eight_bits(wide: npt.NDArray[np.uint16]) -> npt.NDArray[np.uint8]:
    """16 bits to the nearest of 256 levels."""
    return ((wide.astype(np.uint32) * 255 + 32767) // 65535).astype(np.uint8)


def _through_profile(image: Image.Image, profile: bytes) -> Image.Image:
    """CMYK by its own profile, because inks have no colour without one."""
    source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    turned = ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
    assert turned is not None
    return turned


def _exif_of_turned(opened: Image.Image) -> bytes:
    exif: Any = opened.getexif()
    exif.pop(ExifTags.Base.Orientation, None)
    try:
        return exif.tobytes() if len(exif) else b""
    except Exception:  # a tag that Pillow reads and cannot write; the pixels are sound
        return b""


def _icc(opened: Image.Image) -> bytes:
    profile: bytes = opened.info.get("icc_profile") or b""
    return profile if profile[16:20] == b"RGB " else b""


def _picture(image: Image.Image, exif: bytes, icc: bytes) -> Picture:
    array = np.asarray(image)
    if image.mode == "RGB":
        return Picture(np.array(array), None, exif, icc)
    alpha = None if bool((array[..., 3] == 255).all()) else np.array(array[..., 3])
    return Picture(np.ascontiguousarray(array[..., :3]), alpha, exif, icc)
