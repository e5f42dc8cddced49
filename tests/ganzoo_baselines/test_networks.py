"""UNIT's network: the authors' size, and its numbers, against plain functional code over the authors' layout."""

from __future__ import annotations

import re

import pytest
import torch
from authors import unit_decode, unit_encode
from torch import Tensor, nn

from ganzoo_baselines.unit_network import UNITGenerator


def as_authors(network: nn.Module) -> dict[str, Tensor]:
    """Return a UNIT network's weights under the authors' names."""
    found = {}
    for name, tensor in network.state_dict().items():
        name = re.sub(r"^encoder\.([012])\.1\.", r"enc.model.\1.conv.", name)
        for half, j in (("first", 0), ("second", 1)):
            if match := re.match(rf"encoder\.(\d)\.{half}\.1\.(.*)", name):
                name = f"enc.model.3.model.{int(match[1]) - 3}.model.{j}.conv.{match[2]}"
            name = re.sub(rf"^decoder\.(\d)\.{half}\.1\.", rf"dec.model.0.model.\1.model.{j}.conv.", name)
        for i, theirs in ((4, 2), (5, 4)):
            name = re.sub(rf"^decoder\.{i}\.1\.1\.", f"dec.model.{theirs}.conv.", name)
            name = re.sub(rf"^decoder\.{i}\.1\.2\.", f"dec.model.{theirs}.norm.", name)
        found[re.sub(r"^decoder\.6\.1\.", "dec.model.5.conv.", name)] = tensor
    return found


def test_the_size_of_the_authors_network() -> None:
    assert sum(one.numel() for one in UNITGenerator(3, 3).parameters()) == 11_140_483


def test_it_is_the_authors() -> None:
    picture = torch.rand(2, 3, 40, 32, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 2 - 1
    torch.manual_seed(0)
    made = UNITGenerator(3, 3, width=4).double()
    for one in made.parameters():
        nn.init.normal_(one, 0, 0.2)
    state = as_authors(made)
    codes = made.encode(picture)
    torch.testing.assert_close(codes, unit_encode(state, picture))
    torch.testing.assert_close(made.decode(codes), unit_decode(state, codes))


@pytest.mark.parametrize("size", [(1, 1), (7, 33), (32, 32)])
def test_any_size_comes_back(size: tuple[int, int]) -> None:
    picture = torch.rand(1, 3, *size)
    assert UNITGenerator(3, 3, width=2, blocks=1)(picture).shape == picture.shape
