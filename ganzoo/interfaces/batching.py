"""Join tensors for a network: several batches for one call, or images and further channels for one input."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn


def forward_together(network: nn.Module, inputs: list[Tensor]) -> list[Any]:
    """Return a network's output for each of several batches (B, C, H, W), computed in one call.

    A network with batch norm is called once for each batch, because the statistics of the batches would mix, and so is
    one with a part that compares the images of a batch, which says so with an attribute ``joins_images = True``; and
    any network once for each size of images, if there are several. Each output is a tensor, or a sequence of tensors if
    the network returns several.
    """
    if len(inputs) == 1 or any(_joins_images(part) for part in network.modules()):
        return [network(batch) for batch in inputs]
    shapes = [batch.shape[1:] for batch in inputs]
    if len(set(shapes)) > 1:
        of_shape = {
            shape: iter(forward_together(network, [batch for batch in inputs if batch.shape[1:] == shape]))
            for shape in dict.fromkeys(shapes)
        }
        return [next(of_shape[shape]) for shape in shapes]
    sizes = [len(batch) for batch in inputs]
    outputs = network(torch.cat(inputs))
    if isinstance(outputs, Tensor):
        return list(outputs.split(sizes))
    return list(zip(*(output.split(sizes) for output in outputs), strict=True))


def _joins_images(part: nn.Module) -> bool:
    return isinstance(part, nn.modules.batchnorm._BatchNorm) or getattr(part, "joins_images", False)


def join_channels(maps: Sequence[Tensor]) -> Tensor:
    """Return tensors (B, Cᵢ, H, W) joined along the channels, (B, ΣCᵢ, H, W), in the memory format of the first.

    ``torch.cat`` alone returns contiguous memory if one of them has a single channel or was expanded, which is several
    times slower for the others in channels_last, and for the layers that follow.

    >>> join_channels([torch.zeros(1, 3, 4, 4), torch.ones(1, 2, 1, 1).expand(1, 2, 4, 4)]).shape
    torch.Size([1, 5, 4, 4])
    """
    wanted = memory_format_of(maps[0])
    return torch.cat([one.to(memory_format=wanted) for one in maps], 1)


def memory_format_of(images: Tensor) -> torch.memory_format:
    """Return ``torch.channels_last`` for images (B, C, H, W) that have it, else ``torch.contiguous_format``.

    Of a single channel torch says that it has both: then its strides decide.
    """
    last = images.is_contiguous(memory_format=torch.channels_last) and images.stride(1) == 1
    return torch.channels_last if last else torch.contiguous_format
