"""Tests of a GPU against the CPU: always collected, skipped where torch finds no GPU."""

from __future__ import annotations

import pytest

from tests.gpu.comparing import DEVICE, has_device


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if has_device():
        return
    for item in items:
        if item.get_closest_marker("cuda"):
            item.add_marker(pytest.mark.skip(reason=f"needs {DEVICE}: torch finds no NVIDIA GPU here"))
