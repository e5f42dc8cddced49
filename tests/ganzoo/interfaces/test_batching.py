"""Joining tensors along the channels; one network over several batches."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from ganzoo.interfaces import forward_together, join_channels
from ganzoo.interfaces.batching import memory_format_of


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_channels_are_joined_in_the_memory_format_of_the_first(layout: torch.memory_format) -> None:
    image = torch.rand(2, 3, 4, 5).to(memory_format=layout)
    single, planes = torch.rand(2, 1, 4, 5), torch.rand(2, 2, 1, 1).expand(2, 2, 4, 5)
    joined = join_channels([image, single, planes])
    assert torch.equal(joined, torch.cat([image, single, planes], 1))
    assert joined.is_contiguous(memory_format=layout)


class Counting(nn.Module):
    """A convolution that counts its calls, and returns one or two maps."""

    def __init__(self, maps: int) -> None:
        super().__init__()
        self.convolution, self.maps, self.calls = nn.Conv2d(3, 2, 1), maps, 0

    def forward(self, images: Tensor) -> Tensor | list[Tensor]:
        self.calls += 1
        map_ = self.convolution(images)
        return map_ if self.maps == 1 else [map_, map_.mean((2, 3), keepdim=True)]


@pytest.mark.parametrize("maps", [1, 2])
def test_batches_of_one_size_share_a_call(maps: int) -> None:
    """Each batch gets its own output, in the order of the batches, also where their sizes differ."""
    network = Counting(maps)
    batches = [torch.rand(count, 3, *size) for count, size in ((2, (7, 9)), (1, (5, 5)), (3, (7, 9)), (1, (5, 5)))]
    found = forward_together(network, batches)
    assert network.calls == 2
    for output, batch in zip(found, batches, strict=True):
        expected = network(batch)
        pairs = [(output, expected)] if isinstance(expected, Tensor) else zip(output, expected, strict=True)
        for one, other in pairs:
            torch.testing.assert_close(one, other)
    network.calls = 0
    forward_together(network, [batches[0], batches[2]])
    assert network.calls == 1


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_the_format_of_grey_images_is_that_of_their_strides(channels: int, layout: torch.memory_format) -> None:
    images = torch.rand(2, channels, 4, 5).to(memory_format=layout)
    assert memory_format_of(images) == layout
    assert memory_format_of(join_channels([images, torch.rand(2, 2, 4, 5)])) == layout
