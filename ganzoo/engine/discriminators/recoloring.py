"""Random changes of brightness, contrast, hue and saturation, as one affine map of colors for each image (ADA)."""

from __future__ import annotations

from math import pi

import torch
from torch import Tensor

BRIGHTNESS, CONTRAST, SATURATION = 0.2, 0.5, 1.0
"""Deviations of what is added, and of log2 of the two factors."""


def recolor(images: Tensor, gates: Tensor, uniform: Tensor, normal: Tensor, p: Tensor) -> Tensor:
    """Return images (B, C, H, W) of other colors; images that are neither grey nor RGB are unchanged.

    In this order: add to the brightness, scale the contrast, mirror the luma axis, turn the hue, scale the saturation
    (Karras et al. 2020, appendix B), each with probability p; grey images have neither hue nor saturation.

    Args:
        images: the images; C is 1 or 3.
        gates: draws from U[0, 1), (B, 5), that are compared with p.
        uniform: draws from U[0, 1), (B, 2): mirrored or not, angle of the hue.
        normal: draws from N(0, 1), (B, 3): brightness, contrast, saturation.
        p: the probability, a scalar.
    """
    used = gates < p
    changed = used.any(1).view(-1, 1, 1, 1)
    brightness, contrast, mirror, hue, saturation = used.unbind(1)
    one = torch.ones_like(gates[:, 0])
    added = BRIGHTNESS * normal[:, 0] * brightness
    factor = torch.where(contrast, 2 ** (CONTRAST * normal[:, 1]), one)
    sign = torch.where(mirror & (uniform[:, 0] < 0.5), -one, one)
    grey_factor, offset = (factor * sign).view(-1, 1, 1, 1), (factor * sign * added).view(-1, 1, 1, 1)
    if images.shape[1] == 1:
        return torch.where(changed, images * grey_factor + offset, images)
    if images.shape[1] != 3:
        return images
    angle = (uniform[:, 1] * 2 - 1) * pi * hue
    colorful = factor * torch.where(saturation, 2 ** (SATURATION * normal[:, 2]), one)
    grey = images.mean(1, keepdim=True)  # the part along the luma axis (1, 1, 1)
    turned = _turn(images - grey, angle) * colorful.view(-1, 1, 1, 1)
    return torch.where(changed, grey * grey_factor + turned + offset, images)


def _turn(colors: Tensor, angles: Tensor) -> Tensor:
    """Return colors (B, 3, H, W) of mean 0, turned around the axis (1, 1, 1) (Rodrigues' formula)."""
    cosine, sine = angles.cos().view(-1, 1, 1, 1), angles.sin().view(-1, 1, 1, 1)
    red, green, blue = colors.unbind(1)
    cross = torch.stack([blue - green, red - blue, green - red], 1) / 3**0.5
    return colors * cosine + cross * sine
