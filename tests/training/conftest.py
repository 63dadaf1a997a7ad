"""Small trainings: a folder of sharp pieces of a photograph that comes with scikit-image, and settings for seconds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bfrbench.imaging.write import write_image

TINY = [
    "run.images=48",
    "run.batch=8",
    "run.workers=0",
    "run.log_every=8",
    "run.checkpoint_every=16",
    "run.sample_every=1000",
    "run.validate_every=1000",
    "run.ema_half_life=16",
    "task.narrow=0.03",
]


@pytest.fixture(scope="session")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from skimage.data import astronaut

    photo, folder = astronaut(), tmp_path_factory.mktemp("photographs")
    random = np.random.default_rng(0)
    for index in range(12):
        top, left = random.integers(0, 512 - 64, 2)
        write_image(folder / f"{index:02}.png", photo[top : top + 64, left : left + 64])
    return folder
