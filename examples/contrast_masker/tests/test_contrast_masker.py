"""Contracts of the masker ``contrast``, and what it masks."""

from __future__ import annotations

import torch

from contrast_masker.masker import Contrast
from ganzoo.testing import component_tests, make_draws, make_images

TestContrast = component_tests("masker", "contrast")


def test_detail_is_foreground_and_an_even_area_is_not() -> None:
    images = make_images(1, size=(48, 48))
    images[..., :24] = 0.25
    mask = Contrast()(images, make_draws(1))
    assert mask[..., 30:].min() > 0.5
    assert mask[..., :5].max() < 0.001


def test_an_even_image_has_no_foreground() -> None:
    assert Contrast()(torch.full((1, 3, 16, 16), 0.3), make_draws(1)).max() < 0.001
