"""A copy of a network made ready for inference: every factor baked into the weights, laid out for convolutions.

The layers stay what they are: each that has a `freeze` method bakes its own constants. The copy computes the same
function faster and cannot be trained or saved under the published names.
"""

from __future__ import annotations

import copy
from typing import TypeVar

import torch
from torch import nn

N = TypeVar("N", bound=nn.Module)


def frozen(network: N, dtype: torch.dtype = torch.float32) -> N:
    """A copy for inference whose convolutions run in `dtype`; styles stay in float32."""
    twin = copy.deepcopy(network).eval().requires_grad_(False)
    for layer in reversed(list(twin.modules())):  # children before parents
        bake = getattr(layer, "freeze", None)
        if bake is not None:
            bake(dtype)
    return twin
