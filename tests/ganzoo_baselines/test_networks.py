"""UNIT's network: the authors' size, and its numbers, against plain functional code over the authors' layout."""

from __future__ import annotations

import pytest
import torch

from ganzoo_authors.munit import munit
from ganzoo_authors.state_dicts import clean
from ganzoo_baselines.unit_network import UNITGenerator
from tests.support.author_checkpoints import munit_domain
from tests.support.author_networks import unit_decode, unit_encode


def test_the_size_of_the_authors_network() -> None:
    assert sum(one.numel() for one in UNITGenerator(3, 3).parameters()) == 11_140_483


def test_it_is_the_authors() -> None:
    image = torch.rand(2, 3, 40, 32, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 2 - 1
    state = {name: one.double() for name, one in clean(munit_domain(0, styled=False)).items()}
    found = munit(state)
    assert found is not None and found.name == "unit"
    made = UNITGenerator(3, 3, **found.options).double()
    made.load_state_dict(found.state)
    codes = made.encode(image)
    torch.testing.assert_close(codes, unit_encode(state, image))
    torch.testing.assert_close(made.decode(codes), unit_decode(state, codes))


@pytest.mark.parametrize("size", [(1, 1), (7, 33), (32, 32)])
def test_any_size_comes_back(size: tuple[int, int]) -> None:
    image = torch.rand(1, 3, *size)
    assert UNITGenerator(3, 3, width=2, blocks=1)(image).shape == image.shape
