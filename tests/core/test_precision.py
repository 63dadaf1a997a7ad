"""The switch of TF32 is the process's: it comes back when the last who turned it off is done, whatever the order."""

from __future__ import annotations

import pytest
import torch

from bfrbench.precision import exact_float32


def switches() -> tuple[bool, bool]:
    return torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32


def test_it_stays_off_until_the_last_has_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", True)
    before = switches()
    first, second = exact_float32(), exact_float32()
    first.__enter__()
    second.__enter__()  # as of another thread, which restores while this one scores
    first.__exit__()
    assert switches() == (False, False)
    second.__exit__()
    assert switches() == before and before[1]


def test_an_error_leaves_it_as_it_was() -> None:
    before = switches()
    with pytest.raises(ValueError), exact_float32():
        raise ValueError
    assert switches() == before
