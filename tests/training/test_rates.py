"""Rates of plain layers that learn as layers with equalised learning rate."""

from __future__ import annotations

import torch
from torch import nn

from bfrbench.nn.layers import EqualConv2d
from bfrbench.training.rates import adam, equalised


def test_a_plain_convolution_at_equalised_rates_learns_as_an_equalised_one() -> None:
    torch.manual_seed(0)
    ours, theirs = nn.Conv2d(8, 4, 3, bias=False).double(), EqualConv2d(8, 4, 3).double()
    with torch.no_grad():
        ours.weight.copy_(theirs.weight * theirs.scale)
    optimisers = [
        adam(equalised(ours.parameters(), 0.002), (0.0, 0.99)),
        adam([(theirs.parameters(), 0.002)], (0.0, 0.99)),
    ]
    images, target = torch.randn(5, 8, 6, 6).double(), torch.randn(5, 4, 4, 4).double()
    for _ in range(20):
        for network, optimiser in zip((ours, theirs), optimisers, strict=True):
            optimiser.zero_grad()
            (network(images) - target).square().mean().backward()
            optimiser.step()
    assert torch.allclose(ours.weight, theirs.weight * theirs.scale, atol=1e-6)


def test_every_parameter_has_one_rate_and_biases_the_whole() -> None:
    network = nn.Sequential(nn.Conv2d(3, 16, 3), nn.Linear(4, 2), nn.Conv2d(16, 2, 1))
    groups = equalised(network.parameters(), 0.1)
    rates = {id(parameter): rate for group, rate in groups for parameter in group}
    assert len(rates) == sum(len(group) for group, _ in groups) == 6
    assert rates[id(network[0].bias)] == 0.1
    assert rates[id(network[2].weight)] == 0.1 / 4
