"""Joining tensors along the channels."""

from __future__ import annotations

import pytest
import torch

from ganzoo.interfaces import join_channels


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_channels_are_joined_in_the_memory_format_of_the_first(layout: torch.memory_format) -> None:
    image = torch.rand(2, 3, 4, 5).to(memory_format=layout)
    single, planes = torch.rand(2, 1, 4, 5), torch.rand(2, 2, 1, 1).expand(2, 2, 4, 5)
    joined = join_channels([image, single, planes])
    assert torch.equal(joined, torch.cat([image, single, planes], 1))
    assert joined.is_contiguous(memory_format=layout)
