"""``pyramid``: any discriminator at several sizes, with weights of its own at each."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from ganzoo import GanzooError, create


def test_each_level_sees_half_the_size() -> None:
    network = create("discriminator", "pyramid", 3, of={"discriminator": "patch", "width": 2, "layers": 1}, scales=3)
    images = torch.rand(2, 3, 33, 28)
    half = F.avg_pool2d(images, 3, 2, 1, count_include_pad=False)
    quarter = F.avg_pool2d(half, 3, 2, 1, count_include_pad=False)
    expected = [level(seen) for level, seen in zip(network.levels, (images, half, quarter), strict=True)]
    logits = network(images)
    assert len(logits) == 3 and all(torch.equal(one, other) for one, other in zip(logits, expected, strict=True))
    one, other, _ = (next(level.parameters()) for level in network.levels)
    assert not torch.equal(one, other)


def test_the_maps_of_a_discriminator_with_several_follow_one_another() -> None:
    inner = {"discriminator": "pyramid", "of": "pixel", "scales": 2}
    assert [
        one.shape[-1] for one in create("discriminator", "pyramid", 1, of=inner, scales=2)(torch.rand(1, 1, 8, 8))
    ] == [8, 4, 4, 2]


def test_too_small_images_are_refused_with_their_level() -> None:
    network = create("discriminator", "pyramid", 3, of={"discriminator": "patch", "width": 2, "layers": 2}, scales=2)
    with pytest.raises(GanzooError, match=r"^pyramid, image size 2 of 2: patch with layers: 2 needs .* not 8×8"):
        network(torch.rand(1, 3, 16, 16))
