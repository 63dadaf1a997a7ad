"""The faulty plugin, installed for one test: seen by this process and by those that it starts."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent


def install_faulty(site: Path) -> Path:
    """Put the plugin and its metadata into a folder, as pip would."""
    site.mkdir(parents=True, exist_ok=True)
    (site / "bfrbench_faulty.py").write_text((HERE / "faulty.py").read_text())
    info = site / "bfrbench_faulty-1.0.dist-info"
    info.mkdir(exist_ok=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: bfrbench-faulty\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[bfrbench]\nfaulty = bfrbench_faulty\n")
    (info / "RECORD").write_text("bfrbench_faulty.py,,\n")
    return site


@pytest.fixture
def faulty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    site = install_faulty(tmp_path / "site")
    monkeypatch.syspath_prepend(str(site))
    paths = [str(site), *filter(None, [os.environ.get("PYTHONPATH")])]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(paths))
    monkeypatch.delitem(sys.modules, "bfrbench_faulty", raising=False)
    return site
