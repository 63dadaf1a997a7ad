"""Pictures for tests: one made by arithmetic, the same everywhere, and real faces where they are at hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from bfrbench.imaging.read import read_image
from tests.degradations.golden import made_up
from tests.shared_data import faces_hq

__all__ = ["faces", "made_up", "psnr"]


def faces(count: int) -> list[Any]:
    return [read_image(Path(path)) for path in faces_hq(count)]


def psnr(a: Any, b: Any) -> float:
    error = float(np.square(a.astype(np.float64) - b.astype(np.float64)).mean())
    return 100.0 if error == 0 else float(10 * np.log10(255**2 / error))
