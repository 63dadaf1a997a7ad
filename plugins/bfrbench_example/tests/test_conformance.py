"""What every restorer must do, and what a median filter must do."""

import torch

import bfrbench
from bfrbench.testing import conformance_test

test_conformance = conformance_test("median")


def test_a_single_bright_pixel_disappears() -> None:
    lq = torch.zeros(1, 3, 9, 9)
    lq[:, :, 4, 4] = 1
    assert bfrbench.load_restorer("median").restore(bfrbench.Batch(("a",), lq, (0,))).max() == 0
