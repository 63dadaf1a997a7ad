"""Where the research data lie that tests may look at, and a skip with a reason where they do not."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(os.environ.get("BFRBENCH_SHARED_DATA", Path(__file__).resolve().parents[1].parent / "shared" / "data"))
MISSING = "research data not here"


def shared(*parts: str) -> Path:
    """A file or folder of the research data; skips the test where it is absent."""
    path = ROOT.joinpath(*parts)
    if not path.exists():
        pytest.skip(f"{MISSING}: {'/'.join(parts)} (set BFRBENCH_SHARED_DATA)", allow_module_level=True)
    return path


def faces_hq(count: int) -> list[Path]:
    """The first `count` sharp, aligned 512×512 faces."""
    return sorted(shared("faces_hq").glob("*.jpg"))[:count]
