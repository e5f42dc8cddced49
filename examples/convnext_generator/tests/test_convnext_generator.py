"""Contracts of the generator ``convnext``."""

from __future__ import annotations

from convnext_generator.generator import ConvNeXt
from ganzoo.testing import component_tests, make_images

TestConvNeXt = component_tests("generator", "convnext", options={"width": 4, "blocks": 1})


def test_more_blocks_have_more_weights_and_see_further() -> None:
    sizes = [sum(one.numel() for one in ConvNeXt(3, 3, width=4, blocks=blocks).parameters()) for blocks in (0, 1, 2)]
    assert sizes[0] < sizes[1]
    assert sizes[2] - sizes[1] == sizes[1] - sizes[0]
    assert ConvNeXt(3, 1, width=4, blocks=0)(make_images(size=(5, 7))).shape == (2, 1, 5, 7)
