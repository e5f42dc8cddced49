"""Layers of StyleGAN2 (Karras et al. 2020): equalized convolutions, blurs, and residual blocks that may halve maps."""

from __future__ import annotations

from itertools import pairwise
from math import sqrt
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import parametrize

from ganzoo_cyclegan.layers import Pad, Padding

BLUR = (1, 3, 3, 1)


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
    init_normal(layer)
    parametrize.register_parametrization(layer, "weight", Scale(1 / sqrt(layer.weight[0].numel())))


def equal_conv(in_channels: int, out_channels: int, kernel: int, *, stride: int = 1, bias: bool = False) -> nn.Conv2d:
    """Return an equalized convolution, which pads nothing."""
    layer = nn.Conv2d(in_channels, out_channels, kernel, stride, bias=bias)
    equalize(layer)
    return layer


def equal_linear(inputs: int, outputs: int) -> nn.Linear:
    """Return an equalized linear layer."""
    layer = nn.Linear(inputs, outputs)
    equalize(layer)
    return layer


class DemodulatedUp(nn.ConvTranspose2d):
    """StyleGAN2's upsampling convolution without a style: a transposed 3×3 convolution of stride 2, then a blur.

    The weights of each output channel have the norm 1 when they are used (Karras et al. 2020, eq. 3 with s = 1).
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(in_channels, out_channels, 3, 2, bias=False)
        init_normal(self)
        self.scale = 1 / sqrt(9 * in_channels)
        self.blur = Blur("zero", 1, gain=4)

    def forward(self, maps: Tensor, output_size: Any = None) -> Tensor:
        """Return the maps (B, out_channels, 2H, 2W) for maps (B, in_channels, H, W)."""
        with torch.autocast(maps.device.type, enabled=False):
            weights = self.weight * self.scale
            weights = weights * (weights.square().sum((0, 2, 3), keepdim=True) + 1e-8).rsqrt()
        larger: Tensor = self.blur(F.conv_transpose2d(maps, weights, stride=2))
        return larger


class Blur(nn.Module):
    """Pads maps and blurs them with the normalized [1, 3, 3, 1] ⊗ [1, 3, 3, 1]: the sides grow by 2 · size − 3.

    Args:
        padding: ``reflect``, ``replicate`` or ``zero``.
        size: the number of pixels that each side is padded with.
        gain: a factor of the result.
    """

    def __init__(self, padding: Padding, size: int, *, gain: float = 1.0) -> None:
        super().__init__()
        self.pad = Pad(padding, size)
        self.gain = gain

    def forward(self, maps: Tensor) -> Tensor:
        """Return the blurred maps (B, C, h, w), of the same dtype; computed in float32."""
        padded = self.pad(maps)
        precise = padded.to(torch.promote_types(padded.dtype, torch.float32))
        with torch.autocast(maps.device.type, enabled=False):  # on a CPU its backward pass is very slow in bf16
            row = torch.tensor(BLUR, dtype=precise.dtype, device=precise.device)
            kernel = row[:, None] * row * (self.gain / sum(BLUR) ** 2)
            channels = precise.shape[1]
            return F.conv2d(precise, kernel.expand(channels, 1, 4, 4), groups=channels).to(maps.dtype)


def activate(values: Tensor) -> Tensor:
    """Return √2 times the leaky ReLU of slope 0.2, which keeps the mean square (Karras et al. 2020, appendix B)."""
    return F.leaky_relu(values, 0.2) * sqrt(2)


class Activation(nn.Module):
    """Adds a bias to each channel, and activates it."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, maps: Tensor) -> Tensor:
        """Return the maps of the same shape (B, C, H, W) and dtype."""
        return activate(maps + self.bias[:, None, None].to(maps.dtype))


class StyleBlock(nn.Module):
    """A residual block: (x' + conv(conv(x))) / √2, where x' is x, or a 1×1 convolution of it if the block halves.

    Karras et al. 2020, figure 7c.

    Args:
        in_channels: number of channels of the input.
        out_channels: number of channels of the output: the same, unless the block halves.
        padding: ``reflect``, ``replicate`` or ``zero``.
        halve: whether the block blurs and halves the maps.
    """

    def __init__(self, in_channels: int, out_channels: int, padding: Padding, *, halve: bool = False) -> None:
        super().__init__()
        second: list[nn.Module] = [Blur(padding, 2) if halve else Pad(padding, 1)]
        self.convs = nn.Sequential(
            Pad(padding, 1),
            equal_conv(in_channels, in_channels, 3),
            Activation(in_channels),
            *second,
            equal_conv(in_channels, out_channels, 3, stride=2 if halve else 1),
            Activation(out_channels),
        )
        shortcut = [Blur(padding, 1), equal_conv(in_channels, out_channels, 1, stride=2)] if halve else []
        self.shortcut = nn.Sequential(*shortcut)

    def forward(self, maps: Tensor) -> Tensor:
        """Return the maps (B, out_channels, H, W), or half as high and wide, for maps (B, in_channels, H, W)."""
        summed: Tensor = self.convs(maps) + self.shortcut(maps)
        return summed / sqrt(2)


def halvings(widths: list[int], padding: Padding) -> list[nn.Module]:
    """Return blocks that halve the maps, one from each number of channels to the next."""
    return [StyleBlock(before, after, padding, halve=True) for before, after in pairwise(widths)]


def init_normal(layer: nn.Conv2d | nn.ConvTranspose2d | nn.Linear) -> None:
    """Initialize a layer's weights in place from N(0, 1), and its biases with 0."""
    nn.init.normal_(layer.weight)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
