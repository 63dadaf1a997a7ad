"""Plug and play: put a block behind modules of a network that is already there."""

from __future__ import annotations

import re
from collections.abc import Callable

import torch
from torch import Tensor, nn

from bfrbench.errors import UsageError


class Followed(nn.Module):
    """A module and the block behind it, known by its name in the network it was put into."""

    def __init__(self, module: nn.Module, block: nn.Module) -> None:
        super().__init__()
        self.module, self.block = module, block

    def forward(self, *inputs: Tensor) -> Tensor:
        out: Tensor = self.block(self.module(*inputs))
        return out

    def freeze(self, dtype: torch.dtype) -> None:
        """For `bfrbench.nn.frozen`: the block computes in the type that the module in front of it gives."""
        self.block.to(dtype).to(memory_format=torch.channels_last)


def insert_after(network: nn.Module, pattern: str, make: Callable[[int], nn.Module], example: Tensor) -> list[str]:
    """Put `make(channels)` behind every module whose dotted name matches `pattern` whole; gives their names.

    Channels are read off one forward pass of `example`. A block that is an identity at the start leaves the
    network's output as it was, to the bit.
    """
    names = [name for name, _ in network.named_modules() if name and re.fullmatch(pattern, name)]
    if not names:
        some = ", ".join(name for name, _ in list(network.named_modules())[1:6])
        raise UsageError(f"no module's name matches {pattern!r}", f"names look like {some}")
    channels = _channels(network, names, example)
    for name in names:
        parent_name, _, last = name.rpartition(".")
        parent = network.get_submodule(parent_name)
        module = getattr(parent, last)
        parameter = next(module.parameters(), example)
        block = make(channels[name]).to(parameter.device, parameter.dtype)
        setattr(parent, last, Followed(module, block))
    return names


def _channels(network: nn.Module, names: list[str], example: Tensor) -> dict[str, int]:
    found: dict[str, int] = {}

    def watch(name: str) -> Callable[[nn.Module, object, Tensor], None]:
        def hook(_: nn.Module, __: object, out: Tensor) -> None:
            found[name] = out.shape[1]

        return hook

    hooks = [network.get_submodule(name).register_forward_hook(watch(name)) for name in names]
    try:
        with torch.no_grad():
            network(example)
    finally:
        for hook in hooks:
            hook.remove()
    silent = sorted(set(names) - set(found))
    if silent:
        raise UsageError(f"{silent[0]!r} did not run on the example", "choose modules that every image passes")
    return found
