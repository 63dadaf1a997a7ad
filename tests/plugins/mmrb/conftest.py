"""Tiny trainings on pieces of a photograph that comes with scikit-image."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bfrbench.imaging.write import write_image


@pytest.fixture(scope="session")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from skimage.data import astronaut

    photo, folder = astronaut(), tmp_path_factory.mktemp("photographs")
    random = np.random.default_rng(0)
    for index in range(8):
        top, left = random.integers(0, 512 - 32, 2)
        write_image(folder / f"{index}.png", photo[top : top + 32, left : left + 32])
    return folder
