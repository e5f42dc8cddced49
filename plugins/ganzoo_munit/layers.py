"""Layers of MUNIT, UNIT and DRIT: padded convolutions, norms, residual blocks, and weight initialization."""

from __future__ import annotations

from itertools import pairwise
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ganzoo_cyclegan.layers import InstanceNorm, Pad, Padding

instance_norm = InstanceNorm()

Norm = Literal["instance", "layer", "none"]
Head = Literal["tanh", "softmax"]


def adaptive_instance_norm(maps: Tensor, shift: Tensor, scale: Tensor) -> Tensor:
    """Return scale · IN(x) + shift (Huang and Belongie 2017, eq. 8) for maps x, (B, C, H, W).

    ``shift`` and ``scale`` are (B, C).
    """
    shift, scale = (values[:, :, None, None].to(maps.dtype) for values in (shift, scale))
    return torch.addcmul(shift, instance_norm(maps), scale)


class LayerNorm(nn.Module):
    """A layer norm over the channels and pixels of each sample, with a gain and a bias per channel, as in MUNIT's code.

    It computes gain · (x − mean) / (std + 1e-5) + bias, with the unbiased standard deviation. Gains start from U(0, 1),
    biases from 0.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.rand(channels))
        self.beta = nn.Parameter(torch.zeros(channels))

    def forward(self, maps: Tensor) -> Tensor:
        """Return the normalized maps, of the same shape (B, C, H, W) and dtype."""
        with torch.autocast(maps.device.type, enabled=False):
            precise = maps.to(torch.promote_types(maps.dtype, torch.float32))
            deviation, mean = torch.std_mean(precise, (1, 2, 3), keepdim=True)
            scale = self.gamma[:, None, None] / (deviation + 1e-5)
            return torch.addcmul(self.beta[:, None, None] - mean * scale, precise, scale).to(maps.dtype)


def activation(slope: float) -> nn.Module:
    """Return a ReLU, leaky for a slope above 0."""
    return nn.LeakyReLU(slope) if slope else nn.ReLU()


def conv(
    in_channels: int,
    out_channels: int,
    size: int,
    stride: int = 1,
    *,
    norm: Norm = "none",
    slope: float | None = 0.0,
    padding: Padding = "reflect",
) -> nn.Sequential:
    """Return a sequence of padding, a convolution with bias, a norm, and a (leaky) ReLU.

    Args:
        in_channels: number of channels of the input.
        out_channels: number of channels of the output.
        size: side of the kernel; the map is padded by (size − 1) // 2 at each side.
        stride: stride of the convolution.
        norm: the norm after the convolution.
        slope: slope of the ReLU below 0; None: no activation.
        padding: ``reflect``, ``replicate`` or ``zero``.
    """
    norms: dict[Norm, list[nn.Module]] = {
        "instance": [InstanceNorm()],
        "layer": [LayerNorm(out_channels)],
        "none": [],
    }
    after: list[nn.Module] = norms[norm]
    if slope is not None:
        after.append(activation(slope))
    pad = Pad(padding, (size - 1) // 2)
    return nn.Sequential(pad, nn.Conv2d(in_channels, out_channels, size, stride), *after)


class Residual(nn.Module):
    """A residual block, x + conv(ReLU(conv(x))): two 3×3 convolutions with norms; no activation follows the sum."""

    def __init__(self, channels: int, norm: Norm, padding: Padding = "reflect", slope: float = 0.0) -> None:
        super().__init__()
        self.first = conv(channels, channels, 3, norm=norm, slope=slope, padding=padding)
        self.second = conv(channels, channels, 3, norm=norm, slope=None, padding=padding)

    def forward(self, maps: Tensor) -> Tensor:
        """Return maps of the same shape (B, C, H, W)."""
        output: Tensor = maps + self.second(self.first(maps))
        return output


class AdaptiveResidual(nn.Module):
    """A ``Residual`` block with adaptive instance norms, whose shifts and scales are an input."""

    def __init__(self, channels: int, padding: Padding = "reflect", slope: float = 0.0) -> None:
        super().__init__()
        self.slope = slope
        self.first = conv(channels, channels, 3, slope=None, padding=padding)
        self.second = conv(channels, channels, 3, slope=None, padding=padding)

    def forward(self, maps: Tensor, style: Tensor) -> Tensor:
        """Return maps of the same shape (B, C, H, W).

        Args:
            maps: the input (B, C, H, W).
            style: (B, 4·C): the first norm's shifts, its scales, then the second norm's shifts and its scales.
        """
        shift, scale, second_shift, second_scale = style.chunk(4, dim=1)
        normed = adaptive_instance_norm(self.first(maps), shift, scale)
        hidden = F.leaky_relu(normed, self.slope) if self.slope else normed.relu()
        return maps + adaptive_instance_norm(self.second(hidden), second_shift, second_scale)


class Double(nn.Module):
    """Nearest-neighbour upsampling: (B, C, H, W) → (B, C, 2H, 2W)."""

    def forward(self, maps: Tensor) -> Tensor:
        """Return the maps with twice the height and width."""
        return F.interpolate(maps, scale_factor=2, mode="nearest")


class Shares(nn.Module):
    """A softmax over classes, scaled to [−1, 1]: the share of each class in each pixel."""

    def forward(self, maps: Tensor) -> Tensor:
        """Return 2 · softmax(maps) − 1 over the K channels of maps (B, K, H, W), of the same shape."""
        return 2 * maps.softmax(1) - 1


def encoder_start(
    channels: int, width: int, downs: int, padding: Padding = "reflect", slope: float = 0.0
) -> list[nn.Module]:
    """Return an encoder's first layers: a 7×7 convolution and ``downs`` 4×4 convolutions of stride 2.

    The first one has ``width`` output channels, and each further one doubles the channels. All have instance norm.
    """
    widths = [width * 2**level for level in range(downs + 1)]
    first = conv(channels, width, 7, norm="instance", slope=slope, padding=padding)
    halvings = [conv(a, b, 4, 2, norm="instance", slope=slope, padding=padding) for a, b in pairwise(widths)]
    return [first, *halvings]


def decoder_end(
    channels: int, width: int, downs: int, head: Head = "tanh", padding: Padding = "reflect", slope: float = 0.0
) -> list[nn.Module]:
    """Return a decoder's last layers: ``downs`` upsampling layers, a 7×7 convolution and the head.

    An upsampling layer is nearest ×2 and a 5×5 convolution with layer norm, which halves the channels.
    """
    widths = [width * 2**level for level in reversed(range(downs + 1))]
    convs = [conv(a, b, 5, norm="layer", slope=slope, padding=padding) for a, b in pairwise(widths)]
    last = conv(width, channels, 7, slope=None, padding=padding)
    return [*(nn.Sequential(Double(), one) for one in convs), last, Shares() if head == "softmax" else nn.Tanh()]


def init_kaiming(network: nn.Module) -> None:
    """Initialize a network's convolutions and linear layers in place, as He et al. (2015) do for ReLU, by fan-in.

    Biases become 0. Uses torch's global random generator.
    """
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(layer.weight, a=0, mode="fan_in")
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
