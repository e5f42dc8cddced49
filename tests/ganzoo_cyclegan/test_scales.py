"""Discriminators at several image sizes: what each sees, and whose error it is."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ganzoo.testing import make_images
from ganzoo_cyclegan.patch import Patch
from ganzoo_cyclegan.scales import at_each_scale
from tests.support.command_line import refusal


class Two(nn.Module):
    """A discriminator with two maps."""

    def forward(self, images: Tensor) -> list[Tensor]:
        return [images, -images]


def test_each_discriminator_sees_half_the_size_of_the_one_before() -> None:
    images = make_images(1, 3, (9, 12))
    whole, half, quarter, negative = at_each_scale("x", [nn.Identity(), nn.Identity(), Two()], images)
    assert torch.equal(whole, images) and half.shape[-2:] == (5, 6) and quarter.shape[-2:] == (3, 3)
    assert torch.equal(negative, -quarter)
    torch.testing.assert_close(half[..., 0, 0], images[..., :2, :2].mean((2, 3)))  # only pixels of the image count
    torch.testing.assert_close(half[..., 1, 1], images[..., 1:4, 1:4].mean((2, 3)))


def test_an_error_names_the_image_size() -> None:
    parts = [Patch(3, width=2, layers=1) for _ in range(2)]
    message = refusal(at_each_scale, "pyramid", parts, torch.zeros(1, 3, 8, 8))
    assert message.startswith("pyramid, image size 2 of 2: patch with layers: 1 needs images of at least 6×6 pixels")
