"""What every test starts from: a home of its own, no network, two threads at most."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def own_home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    home = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("BFRBENCH_HOME", str(home))
    monkeypatch.setenv("BFRBENCH_OFFLINE", "1")
    return home
