"""The deviation within a minibatch as a channel of a discriminator's maps."""

from __future__ import annotations

from math import ceil

import torch
from torch import Tensor, nn


class BatchDeviation(nn.Module):
    """Adds a channel with the standard deviation of the features within a group of images (Karras et al. 2018, sec. 3).

    The deviation over the group is averaged over all features, (√(variance + 1e-8)), so that each image of a group gets
    one value. A group consists of consecutive images of the batch, as many as ``group`` or up to that many in groups of
    about equal size. So two processes with n images each compute the same as one with 2n if ``group`` divides n. In
    eval mode an image is a group of its own, so that its logit does not depend on the batch that it is in: the channel
    is then √1e-8.

    Args:
        group: the largest number of images in a group; with 1, the channel is constant.
    """

    joins_images = True  # so that no call mixes real and generated images: see forward_together

    def __init__(self, group: int) -> None:
        super().__init__()
        self.group = group

    def forward(self, maps: Tensor) -> Tensor:
        """Return the maps (B, C, H, W) with the further channel, (B, C + 1, H, W)."""
        groups = ceil(len(maps) / self.group) if self.training else len(maps)
        with torch.autocast(maps.device.type, enabled=False):
            exact = maps.to(torch.promote_types(maps.dtype, torch.float32))
            values = [
                (part.var(0, unbiased=False) + 1e-8).sqrt().mean().expand(len(part))
                for part in exact.tensor_split(groups)
            ]
        channel = torch.cat(values).to(maps.dtype)[:, None, None, None]
        return torch.cat([maps, channel.expand(-1, 1, *maps.shape[-2:])], 1)
