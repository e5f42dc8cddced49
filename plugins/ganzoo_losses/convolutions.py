"""The maps inside a network of the method: those that enter its convolutions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext

import torch
from torch import Tensor, nn

from ganzoo import GanzooError


def convolutions(network: nn.Module) -> list[nn.Conv2d | nn.ConvTranspose2d]:
    """Return a network's convolutions in the order of their definition."""
    return [one for one in network.modules() if isinstance(one, nn.Conv2d | nn.ConvTranspose2d)]


def entering_maps(network: nn.Module, images: Tensor, numbers: Sequence[int]) -> list[Tensor]:
    """Return the maps (B, C, h, w) that enter some of a network's convolutions when it is called with images.

    They are the outputs of all layers before, norms and activations included.

    Args:
        network: the network.
        images: the images (B, C, H, W).
        numbers: the numbers of the convolutions, counted from 0 in the order of their definition.

    Raises GanzooError if a convolution is not used.
    """
    maps: dict[int, Tensor] = {}
    convs = convolutions(network)

    def keep(number: int) -> Callable[[nn.Module, tuple[Tensor, ...]], None]:
        return lambda conv, inputs: maps.__setitem__(number, inputs[0])

    # Compiled code would skip the hooks; the stance imports the compiler, so it is set only for a compiled network.
    compiled = any(one._compiled_call_impl is not None for one in network.modules())
    handles = [convs[number].register_forward_pre_hook(keep(number)) for number in numbers]
    try:
        with torch.compiler.set_stance("force_eager") if compiled else nullcontext():
            network(images)
    finally:
        for handle in handles:
            handle.remove()
    for number in numbers:
        if number not in maps:
            raise GanzooError(f"the network's convolution {number} is not used by its forward: choose others")
    return [maps[number] for number in numbers]
