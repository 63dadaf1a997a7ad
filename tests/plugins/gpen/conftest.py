"""Small seeded networks as files: enough to test every road, and never mistaken for trained ones."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from bfrbench_gpen.checkpoints import published_table
from bfrbench_gpen.network import Gpen, GpenShape

from tests.nn.seeded import fill

TINY = GpenShape(32, multiplier=2.0, narrow=0.03125, style_dim=64)
"""Up to 32 pixels no tensor depends on the multiplier: files of that size are read as 2."""


@pytest.fixture(scope="session")
def tiny() -> Gpen:
    return fill(Gpen(TINY), 1).eval().requires_grad_(False)


@pytest.fixture(scope="session")
def tiny_file(tiny: Gpen, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bare table in the published layout."""
    path = tmp_path_factory.mktemp("gpen") / "tiny.pth"
    torch.save(published_table(tiny), path)
    return path


@pytest.fixture(scope="session")
def sr_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("gpen") / "sr.pth"
    shape = GpenShape(64, multiplier=1.0, narrow=0.03125, in_size=32, style_dim=64)
    torch.save(published_table(fill(Gpen(shape), 1)), path)
    return path
