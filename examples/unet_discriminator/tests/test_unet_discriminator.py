"""Contracts of the discriminator ``unet``."""

from __future__ import annotations

import pytest

from ganzoo import GanzooError
from ganzoo.testing import component_tests, make_images
from unet_discriminator.discriminator import UNetDiscriminator

TestUNetDiscriminator = component_tests("discriminator", "unet", options={"width": 2, "layers": 2})


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_it_judges_the_image_and_each_pixel(channels: int) -> None:
    whole, pixels = UNetDiscriminator(channels, width=2, layers=3)(make_images(channels=channels, size=(17, 21)))
    assert (whole.shape, pixels.shape) == ((2, 1, 1, 1), (2, 1, 17, 21))


def test_too_small_images_are_refused() -> None:
    with pytest.raises(GanzooError, match="unet with layers: 4 needs images of at least 16×16 pixels"):
        UNetDiscriminator(3, width=2)(make_images(size=(15, 32)))
