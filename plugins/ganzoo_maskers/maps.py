"""Turn maps of any scale, such as attention, saliency and depth, into masks; the maskers that compute maps use it."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from ganzoo import GanzooError


def mask_of(maps: Tensor, image: Tensor, quantile: float | None = None) -> Tensor:
    """Return maps as masks of images, (B, 1, H, W) in [0, 1], of the images' type.

    A map is bilinearly resized to the image and scaled to [0, 1] by its minimum and maximum; a constant map becomes 0.

    Args:
        maps: the maps (B, 1, h, w), finite and not negative.
        image: the images (B, C, H, W).
        quantile: if set, the mask is 1 for the fraction 1 − quantile of an image's pixels with the highest values, and
            0 elsewhere. The map's lowest value is never in the mask, so the fraction is smaller if that value is
            frequent, as of a sky without depth.
    """
    values = F.interpolate(maps, image.shape[-2:], mode="bilinear").flatten(1)
    low, high = values.amin(1, keepdim=True), values.amax(1, keepdim=True)
    # Resizing a constant map leaves rounding errors, far below this share of its value: not scaled to [0, 1].
    values = torch.where(high - low > 1e-5 * high, (values - low) / (high - low), 0)
    if quantile is not None:
        level = values.kthvalue(int(quantile * values.shape[1]) + 1, dim=1, keepdim=True).values
        values = ((values >= level) & (values > 0)).float()
    return values.to(image.dtype).reshape(image[:, :1].shape)


def grey_levels(image: Tensor, channel: int | None, masker: str) -> Tensor:
    """Return one channel of images (B, C, H, W) in [−1, 1] as whole numbers 0 … 255: (B, H, W) int64.

    Args:
        image: the images.
        channel: the channel's index, from 0; None: the only channel, or the luminance of three (Rec. 601: 0.299 red +
            0.587 green + 0.114 blue), rounded.
        masker: the masker's name, for errors.

    Raises GanzooError if there is no such channel, and without ``channel`` unless there are 1 or 3 channels.
    """
    channels = image.shape[1]
    if channel is not None and channel >= channels:
        raise GanzooError(f"{masker}: there is no channel {channel}; these images have {channels}, 0 to {channels - 1}")
    levels = ((image.float() + 1) * 127.5).round().clamp(0, 255).long()
    if channel is not None or channels == 1:
        return levels[:, channel or 0]
    if channels != 3:
        raise GanzooError(f"{masker}: images of {channels} channels have no luminance: set channel, from 0")
    return (299 * levels[:, 0] + 587 * levels[:, 1] + 114 * levels[:, 2] + 500) // 1000
