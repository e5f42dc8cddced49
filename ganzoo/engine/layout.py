"""The memory format of images and networks: the one in which a step is fastest, whatever the reader produced."""

from __future__ import annotations

from math import prod
from typing import Any, TypeVar

import torch
from torch import Tensor

from ganzoo.settings import Shape, pair
from ganzoo.step import Step

Kind = TypeVar("Kind", bound=torch.optim.Optimizer)
CHANNELS_LAST_FROM = 64
"""Side of square images, in pixels, from which channels_last is faster on a CPU; others count by their pixels."""


def memory_format(device: torch.device, size: int | Shape) -> torch.memory_format:
    """Return the memory format for images of ``size``, (H, W) or a square, and for the networks that read them.

    On a CPU, convolutions are faster in channels_last, and norms of small maps are slower: from 64 pixels on, a
    training step is faster in all (docs/speed.md has the measurements). On a GPU it is always channels_last, which its
    tensor cores read; this was not measured here.
    """
    small = device.type == "cpu" and prod(pair(size)) < CHANNELS_LAST_FROM**2
    return torch.contiguous_format if small else torch.channels_last


def arrange_images(step: Step, wanted: torch.memory_format) -> None:
    """Give all tensors (B, C, H, W) of a step a memory format: images, masks and label maps."""
    # ``contiguous`` would leave tensors of one channel as they are, and what is joined with them would be contiguous.
    step.update({name: one.to(memory_format=wanted) for name, one in step.items() if one.ndim == 4})


def arrange_state(optimizer: torch.optim.Optimizer) -> None:
    """Give an optimizer's state, as loaded from a file, the memory format of its parameters.

    torch's fused optimizers read both in the order of memory: with different formats they would mix the numbers up.
    """
    for parameter, entries in optimizer.state.items():
        for name, entry in entries.items():
            if entry.shape == parameter.shape and entry.stride() != parameter.stride():
                entries[name] = torch.empty_like(parameter, dtype=entry.dtype).copy_(entry)


def stepping_in_memory_order(optimizer: type[Kind]) -> type[Kind]:
    """Return an optimizer class that does the same, and is faster for weights in channels_last.

    On a CPU torch's fused optimizers first copy such gradients to contiguous memory, and then do not use the copies.
    """

    class InMemoryOrder(optimizer):  # type: ignore[valid-type, misc]
        def _init_group(self, group: dict[str, Any], *lists: list[Tensor]) -> Any:
            """Collect the tensors of a step as torch does; give those in channels_last as views (O, H, W, I)."""
            result = super()._init_group(group, *lists)
            for tensors in lists:
                tensors[:] = [_in_memory_order(tensor) for tensor in tensors]
            return result

    InMemoryOrder.__name__ = optimizer.__name__
    return InMemoryOrder


def _in_memory_order(tensor: Tensor) -> Tensor:
    ordered = tensor.is_contiguous() or not tensor.is_contiguous(memory_format=torch.channels_last)
    return tensor if ordered else tensor.permute(0, 2, 3, 1)
