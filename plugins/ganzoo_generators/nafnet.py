"""The generator ``nafnet``: a U-shaped restoration network without activation functions (Chen et al. 2022)."""

from __future__ import annotations

from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from ganzoo import GanzooError
from ganzoo_cyclegan.layers import (
    Padding,
    Upsample,
    Width,
    crop_to,
    make_norm,
    pad_to_stride,
    padding_mode,
    upsampling,
)

Blocks = Annotated[int, Field(ge=0)]
Norm = Literal["layer", "instance", "batch", "none"]
INSIDE = 1 - 1 / 256
"""The factor that keeps images inside of (−1, 1), where artanh is finite: less than half a level of 8-bit images."""


class NAFNet(nn.Module):
    """A U-Net of NAFBlocks: translates images (B, in_channels, H, W) of any H and W, both in [−1, 1].

    A 3×3 convolution; at each size blocks and a 2×2 convolution of stride 2, which doubles the channels; blocks in the
    middle; upsampling, the sum with the encoder's maps, and blocks at each size; a 3×3 convolution (Chen et al. 2022,
    "Simple Baselines for Image Restoration", section 4, as released). The blocks change nothing before training, as
    their residual scales begin at 0. With the defaults and three channels it has 17,111,907 parameters.

    The released network adds its result to the image without bounds. Here tanh keeps the output in [−1, 1], with
    ``residual`` around the image: tanh(artanh(x · 255/256) + result).

    Args:
        in_channels: number of channels of the input images.
        out_channels: number of channels of the output images.
        width: number of channels at full size; it doubles at each halving.
        encoder: number of blocks at each size of the encoder, from full size on; their count is that of the halvings.
        middle: number of blocks at the smallest size.
        decoder: number of blocks at each size of the decoder, from small to full size.
        residual: whether to add the result to the image, so that the network learns changes only; the images need as
            many channels before as after.
        norm: the norm of the blocks: ``layer``, over the channels of each pixel, as published, ``instance``, ``batch``
            or ``none``.
        padding: border padding of the 3×3 convolutions: ``zero``, as published, ``reflect`` or ``replicate``.
        upsample: the upsampling layer: ``pixelshuffle`` of a 1×1 convolution, as published, ``deconv`` or ``resize``.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        width: Width = 32,
        encoder: Annotated[tuple[Blocks, ...], Field(min_length=1, max_length=6)] = (1, 1, 1, 28),
        middle: Blocks = 1,
        decoder: Annotated[tuple[Blocks, ...], Field(min_length=1, max_length=6)] = (1, 1, 1, 1),
        residual: bool = False,
        norm: Norm = "layer",
        padding: Padding = "zero",
        upsample: Upsample = "pixelshuffle",
    ) -> None:
        super().__init__()
        if len(encoder) != len(decoder):
            raise GanzooError(
                f"nafnet: encoder has {len(encoder)} sizes and decoder {len(decoder)}: give both equally many"
            )
        if residual and in_channels != out_channels:
            raise GanzooError(
                f"nafnet: residual needs images of as many channels before as after, not {in_channels} and "
                f"{out_channels}: set residual to false"
            )
        self.residual = residual
        self.stride = 2 ** len(encoder)
        mode = padding_mode(padding)
        widths = [width * 2**level for level in range(len(encoder) + 1)]

        def blocks(channels: int, count: int) -> nn.Sequential:
            return nn.Sequential(*(NAFBlock(channels, norm, padding) for _ in range(count)))

        self.intro = nn.Conv2d(in_channels, width, 3, padding=1, padding_mode=mode)
        self.encoders = nn.ModuleList(map(blocks, widths[:-1], encoder))
        self.downs = nn.ModuleList([nn.Conv2d(one, 2 * one, 2, 2) for one in widths[:-1]])
        self.middle = blocks(widths[-1], middle)
        self.ups = nn.ModuleList([_up(2 * one, padding, upsample) for one in reversed(widths[:-1])])
        self.decoders = nn.ModuleList(map(blocks, reversed(widths[:-1]), decoder))
        self.ending = nn.Conv2d(width, out_channels, 3, padding=1, padding_mode=mode)

    def forward(self, images: Tensor) -> Tensor:
        """Return the translations (B, out_channels, H, W) in [−1, 1] of images (B, in_channels, H, W) in [−1, 1]."""
        maps = self.intro(pad_to_stride(images, self.stride, min_size=2 * self.stride))
        skips = []
        for encoder, down in zip(self.encoders, self.downs, strict=True):
            skips.append(encoder(maps))
            maps = down(skips[-1])
        maps = self.middle(maps)
        for up, decoder in zip(self.ups, self.decoders, strict=True):
            maps = decoder(up(maps) + skips.pop())
        change = crop_to(self.ending(maps), images)
        if not self.residual:
            return change.tanh()
        precise = torch.promote_types(images.dtype, torch.float32)
        return (torch.atanh(images.to(precise) * INSIDE) + change.to(precise)).tanh()


class NAFBlock(nn.Module):
    """A block without activation functions: x + β · mix(x), then y + γ · expand(y); β and γ begin at 0.

    ``mix`` is a norm, a 1×1 convolution, a 3×3 one in each channel, the gate, channel attention and a 1×1 convolution;
    ``expand`` is a norm, a 1×1 convolution, the gate and a 1×1 convolution.
    """

    def __init__(self, channels: int, norm: Norm, padding: Padding) -> None:
        super().__init__()
        double = 2 * channels
        self.mix = nn.Sequential(
            _norm(norm, channels),
            nn.Conv2d(channels, double, 1),
            nn.Conv2d(double, double, 3, padding=1, groups=double, padding_mode=padding_mode(padding)),
            SimpleGate(),
            ChannelAttention(channels),
            nn.Conv2d(channels, channels, 1),
        )
        self.expand = nn.Sequential(
            _norm(norm, channels), nn.Conv2d(channels, double, 1), SimpleGate(), nn.Conv2d(channels, channels, 1)
        )
        self.beta = nn.Parameter(torch.zeros(channels, 1, 1))
        self.gamma = nn.Parameter(torch.zeros(channels, 1, 1))

    def forward(self, maps: Tensor) -> Tensor:
        """Return maps of the same shape (B, channels, H, W) and dtype."""
        maps = maps + self.mix(maps) * self.beta.to(maps.dtype)
        return maps + self.expand(maps) * self.gamma.to(maps.dtype)


class SimpleGate(nn.Module):
    """The product of the first half of the channels and the second: (B, 2C, H, W) → (B, C, H, W)."""

    def forward(self, maps: Tensor) -> Tensor:
        """Return the product."""
        first, second = maps.chunk(2, dim=1)
        return first * second


class ChannelAttention(nn.Module):
    """Simplified channel attention: each channel times a linear function of the means of all channels (eq. 6)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.conv = nn.Conv2d(channels, channels, 1)

    def forward(self, maps: Tensor) -> Tensor:
        """Return maps of the same shape (B, channels, H, W)."""
        return maps * self.conv(self.pool(maps))


class ChannelNorm(nn.Module):
    """Layer norm over the channels of each pixel, with a scale and a shift for each channel; eps is 1e-6.

    It computes in float32 and keeps the memory format.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, maps: Tensor) -> Tensor:
        """Return the normalized maps, of the same shape (B, C, H, W) and dtype."""
        with torch.autocast(maps.device.type, enabled=False):
            precise = maps.to(torch.promote_types(maps.dtype, torch.float32))
            centred = precise - precise.mean(1, keepdim=True)
            scale = (centred.square().mean(1, keepdim=True) + 1e-6).rsqrt()
            return torch.addcmul(self.bias[:, None, None], centred * scale, self.weight[:, None, None]).to(maps.dtype)


def _norm(norm: Norm, channels: int) -> nn.Module:
    return ChannelNorm(channels) if norm == "layer" else make_norm(norm, channels)


def _up(channels: int, padding: Padding, upsample: Upsample) -> nn.Module:
    """Return a layer that doubles the size and halves the channels."""
    if upsample == "pixelshuffle":
        return nn.Sequential(nn.Conv2d(channels, 2 * channels, 1, bias=False), nn.PixelShuffle(2))
    if upsample == "deconv":
        return nn.ConvTranspose2d(channels, channels // 2, 4, 2, padding=1)
    return upsampling(upsample, channels, channels // 2, padding, bias=True)
