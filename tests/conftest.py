"""What every test starts from: a home of its own and no network; and which tests need the research data."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.shared_data import MISSING


@pytest.fixture(autouse=True)
def own_home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    home = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("BFRBENCH_HOME", str(home))
    monkeypatch.setenv("BFRBENCH_OFFLINE", "1")
    return home


class _SkippedWithoutData:
    """Lists in pytest's cache, one a line, what was skipped because the research data were not there."""

    def __init__(self, config: pytest.Config) -> None:
        self.list = config.cache.mkdir("bfrbench") / "skipped-without-data.txt"
        self.skipped: set[str] = set()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._note(report)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        self._note(report)

    def pytest_sessionfinish(self) -> None:
        self.list.write_text("".join(f"{name}\n" for name in sorted(self.skipped)))

    def _note(self, report: pytest.TestReport | pytest.CollectReport) -> None:
        if report.skipped and isinstance(report.longrepr, tuple) and MISSING in report.longrepr[2]:
            self.skipped.add(report.nodeid)


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):  # with xdist the reports of all workers reach the controller
        config.pluginmanager.register(_SkippedWithoutData(config))
