from __future__ import annotations

import pytest
import torch
from torch import nn

from bfrbench.contracts import Batch
from bfrbench.errors import TooLittleMeasured
from bfrbench.metrics.cost import count_macs, count_parameters
from bfrbench.metrics.samples import over_samples, perception_distortion
from bfrbench.restorers import load_restorer


class OneConvolution:
    def __init__(self) -> None:
        self.network = nn.Conv2d(3, 3, 3, padding=1, bias=False)

    def restore(self, batch: Batch) -> torch.Tensor:
        return self.network(batch.lq)


def batch(count: int = 2, size: int = 32) -> Batch:
    return Batch(tuple(map(str, range(count))), torch.zeros(count, 3, size, size), (0,) * count)


def test_multiply_adds_and_parameters_of_a_convolution_are_counted():
    restorer = OneConvolution()
    assert count_parameters(restorer) == 81
    assert count_macs(lambda: restorer.restore(batch(1))) == 81 * 32 * 32


def test_a_restorer_without_a_network_has_nothing_to_count():
    restorer = load_restorer("input")
    assert count_parameters(restorer) is None
    assert count_macs(lambda: restorer.restore(batch(1))) is None


def test_a_module_that_is_held_twice_counts_once():
    restorer = OneConvolution()
    restorer.again = restorer.network
    assert count_parameters(restorer) == 81


def test_the_spread_over_samples_is_that_of_the_samples():
    spread = over_samples([1.0, 2.0, 4.0])
    assert spread.mean == pytest.approx(7 / 3) and spread.deviation == pytest.approx(1.5275, abs=1e-4)
    with pytest.raises(TooLittleMeasured):
        over_samples([1.0])


def test_the_perception_distortion_curve_marks_points_that_another_beats():
    curve = perception_distortion({0.0: (1.0, 9.0), 0.5: (2.0, 5.0), 0.7: (2.5, 6.0), 1.0: (4.0, 1.0)})
    assert [one.point for one in curve if one.dominated] == [0.7]
    assert [one.distortion for one in curve] == [1.0, 2.0, 2.5, 4.0]
