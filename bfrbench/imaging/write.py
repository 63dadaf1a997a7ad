"""Writing an image: whole or not at all, without loss where the format allows it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from bfrbench.atomic import landing
from bfrbench.errors import InputError, UsageError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from bfrbench.contracts import U8Image

_SETTINGS: dict[str, dict[str, Any]] = {
    ".png": {"format": "PNG", "compress_level": 4},
    ".jpg": {"format": "JPEG", "quality": 95, "subsampling": "4:4:4"},
    ".jpeg": {"format": "JPEG", "quality": 95, "subsampling": "4:4:4"},
    ".webp": {"format": "WEBP", "lossless": True, "exact": True},
    ".tif": {"format": "TIFF", "compression": "tiff_lzw"},
    ".tiff": {"format": "TIFF", "compression": "tiff_lzw"},
    ".bmp": {"format": "BMP"},
}
WRITABLE = tuple(_SETTINGS)
"""Suffixes that can be written; JPEG is the only lossy one (quality 95, full colour resolution)."""
KEEPS_ALPHA = (".png", ".webp", ".tif", ".tiff")


def write_image(
    path: Path | str,
    image: U8Image,
    *,
    alpha: npt.NDArray[np.uint8] | None = None,
    exif: bytes = b"",
    icc: bytes = b"",
) -> None:
    """Write 8-bit RGB in the format that the suffix names; the file appears only when it is complete."""
    import numpy as np
    from PIL import Image

    path = Path(path)
    settings = dict(check_writable(path))
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or 0 in image.shape:
        raise InputError(f"{path}: an array of {image.dtype} {image.shape} is no image", "give uint8 of H×W×3")
    if alpha is not None:
        if path.suffix.lower() not in KEEPS_ALPHA:
            raise UsageError(f"{path.suffix} cannot hold transparency", f"write {' or '.join(KEEPS_ALPHA)}")
        image = np.dstack([image, alpha])
    if exif:
        settings["exif"] = exif
    if icc:
        settings["icc_profile"] = icc
    try:
        with landing(path) as part:
            Image.fromarray(np.ascontiguousarray(image)).save(part, **settings)
    except OSError as error:
        problem = f"{path} cannot be written ({error.strerror or error})"
        raise UsageError(problem, "check the folder, its permissions and the space left") from error


def check_writable(path: Path) -> dict[str, Any]:
    """The settings for a path, or an error that names the suffixes that can be written."""
    settings = _SETTINGS.get(path.suffix.lower())
    if settings is None:
        known = ", ".join(WRITABLE)
        raise UsageError(f"{path} has a suffix that cannot be written", f"choose one of {known}")
    return settings
