"""Layers of StyleGAN2's discriminator: equalized learning rate, blur, and the deviation within a minibatch."""

from __future__ import annotations

from math import ceil, sqrt

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import parametrize


class Scale(nn.Module):
    """Weight → factor · weight.

    Args:
        factor: the factor.
    """

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, weight: Tensor) -> Tensor:
        """Return the weight times the factor."""
        return weight * self.factor


def equalize(layer: nn.Conv2d | nn.Linear) -> None:
    """Give a layer an equalized learning rate (Karras et al. 2018, section 4.1).

    Its weight is drawn from N(0, 1) and multiplied by 1/√(inputs of an output) whenever it is used; its bias begins
    at 0. The factor is a parametrization, so that a spectral norm of the layer, added later, divides the scaled weight.
    """
    nn.init.normal_(layer.weight)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    parametrize.register_parametrization(layer, "weight", Scale(1 / sqrt(layer.weight[0].numel())))


def equal_conv(in_channels: int, out_channels: int, kernel: int, *, stride: int = 1, bias: bool = True) -> nn.Conv2d:
    """Return an equalized convolution; one of stride 1 keeps the size, one of stride 2 is for blurred maps."""
    padding = kernel // 2 if stride == 1 else 0
    layer = nn.Conv2d(in_channels, out_channels, kernel, stride, padding, bias=bias)
    equalize(layer)
    return layer


def equal_linear(inputs: int, outputs: int) -> nn.Linear:
    """Return an equalized linear layer."""
    layer = nn.Linear(inputs, outputs)
    equalize(layer)
    return layer


def activate(values: Tensor) -> Tensor:
    """Return √2 times the leaky ReLU of slope 0.2, which keeps the mean square (Karras et al. 2020, appendix B)."""
    return F.leaky_relu(values, 0.2) * sqrt(2)


class Blur(nn.Module):
    """Blurs maps with the kernel [1, 3, 3, 1]⊗[1, 3, 3, 1]/64 before a convolution of stride 2 (Zhang 2019).

    Args:
        padding: the number of zeros at each side; (B, C, H, W) become (B, C, H + 2·padding − 3, W + 2·padding − 3).
    """

    kernel: Tensor

    def __init__(self, padding: int) -> None:
        super().__init__()
        self.padding = padding
        line = torch.tensor([1.0, 3.0, 3.0, 1.0]) / 8
        self.register_buffer("kernel", torch.outer(line, line)[None, None], persistent=False)

    def forward(self, maps: Tensor) -> Tensor:
        """Return the blurred maps."""
        channels = maps.shape[1]
        kernel = self.kernel.to(maps.dtype).expand(channels, 1, 4, 4)
        return F.conv2d(maps, kernel, padding=self.padding, groups=channels)


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
