"""The generator ``vit_unet`` of UVCGAN and UVCGANv2: a U-Net with a transformer at its smallest map."""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn

from ganzoo import GanzooError
from ganzoo_cyclegan.layers import (
    Norm,
    Padding,
    Upsample,
    Width,
    crop_to,
    make_norm,
    pad_to_stride,
    padding_mode,
    upsampling,
)
from ganzoo_uvcgan.modulation import ModulatedConv2d
from ganzoo_uvcgan.transformer import Attention, PixelwiseViT

Count = Annotated[int, Field(ge=1)]


class ViTUNet(nn.Module):
    """A U-Net whose smallest map passes through a pixel-wise vision transformer (Torbunov et al., WACV 2023).

    Each level has two 3×3 convolutions, a 2×2 convolution of stride 2, and on the way up an upsampling layer and two
    3×3 convolutions of the concatenated maps. In UVCGANv2 (Torbunov et al., arXiv 2303.16280) the transformer has one
    more token, which becomes the image's style and modulates all convolutions on the way up. With ``modulation: false``
    and ``norm: instance`` it is UVCGAN's generator. With three channels and the defaults it has 32,192,231 parameters,
    UVCGAN's 31,360,239.

    Args:
        in_channels: number of channels of the input images.
        out_channels: number of channels of the output images.
        width: number of channels of the outermost level; it doubles at each level.
        levels: number of halvings. Images are padded to multiples of 2**levels.
        size: length of the transformer's tokens, of the embedding of positions, and of the style.
        heads: number of attention heads; it must divide ``size``.
        blocks: number of transformer blocks.
        modulation: whether a style token modulates the convolutions on the way up.
        norm: the norm before the convolutions on the way down, and without modulation also on the way up: ``none``, as
            in UVCGANv2, ``instance``, as in UVCGAN, or ``batch``.
        padding: border padding of every map: ``zero``, as published, ``reflect`` or ``replicate``.
        upsample: the upsampling layer: ``resize``, as published, ``deconv`` (2×2, stride 2) or ``pixelshuffle``.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        width: Width = 48,
        levels: Annotated[int, Field(ge=1, le=8)] = 4,
        size: Count = 384,
        heads: Count = 6,
        blocks: Annotated[int, Field(ge=0)] = 12,
        modulation: bool = True,
        norm: Norm = "none",
        padding: Padding = "zero",
        upsample: Upsample = "resize",
    ) -> None:
        super().__init__()
        if size % heads:
            raise GanzooError(f"vit_unet: size is {size}, which {heads} heads do not divide: change one of them")
        self.stride = 2**levels
        # a map of one pixel has no neighbours to reflect
        self.min_size = 2 * self.stride if padding == "reflect" else 1
        style = size if modulation else 0
        widths = [width * 2**level for level in range(levels)]
        outer = [width, *widths[:-1]]
        self.first = nn.Sequential(
            nn.Conv2d(in_channels, width, 3, padding=1, padding_mode=padding_mode(padding)), nn.LeakyReLU()
        )
        self.down = nn.ModuleList(
            convolutions(before, after, after, norm, padding) for before, after in zip(outer, widths, strict=True)
        )
        self.halvings = nn.ModuleList(nn.Conv2d(count, count, 2, 2) for count in widths)
        self.bottleneck = PixelwiseViT(widths[-1], size=size, heads=heads, blocks=blocks, style=modulation)
        self.doublings = nn.ModuleList(_double(upsample, count, padding) for count in widths)
        self.up = nn.ModuleList(
            Modulated(2 * inner, inner, before, style, padding)
            if modulation
            else Plain(convolutions(2 * inner, inner, before, norm, padding))
            for before, inner in zip(outer, widths, strict=True)
        )
        self.last = nn.Conv2d(width, out_channels, 1)
        init_linear(self)

    def forward(self, images: Tensor) -> Tensor:
        """Return the translations (B, out_channels, H, W) in [−1, 1] of images (B, in_channels, H, W) in [−1, 1]."""
        maps = self.first(pad_to_stride(images, self.stride, self.min_size))
        skipped = []
        for convolve, halve in zip(self.down, self.halvings, strict=True):
            skipped.append(convolve(maps))
            maps = halve(skipped[-1])
        maps, style = self.bottleneck(maps)
        for convolve, double in zip(reversed(self.up), reversed(self.doublings), strict=True):
            maps = convolve(torch.cat([double(maps), skipped.pop()], 1), style)
        return crop_to(2 * torch.sigmoid(self.last(maps)) - 1, images)  # the released sigmoid, for [−1, 1]


class Plain(nn.Module):
    """Convolutions that ignore the style, as in UVCGAN."""

    def __init__(self, layers: nn.Module) -> None:
        super().__init__()
        self.layers = layers

    def forward(self, maps: Tensor, style: Tensor) -> Tensor:
        """Return the convolved maps (B, C, h, w)."""
        result: Tensor = self.layers(maps)
        return result


class Modulated(nn.Module):
    """Two modulated convolutions with leaky ReLUs, as in UVCGANv2."""

    def __init__(self, in_channels: int, mid_channels: int, out_channels: int, style: int, padding: Padding) -> None:
        super().__init__()
        self.first = ModulatedConv2d(in_channels, mid_channels, style, padding)
        self.second = ModulatedConv2d(mid_channels, out_channels, style, padding)
        self.activation = nn.LeakyReLU()

    def forward(self, maps: Tensor, style: Tensor) -> Tensor:
        """Return the convolved maps (B, out_channels, h, w) for maps (B, in_channels, h, w) and styles (B, length)."""
        return self.activation(self.second(self.activation(self.first(maps, style)), style))


def convolutions(in_channels: int, mid_channels: int, out_channels: int, norm: Norm, padding: Padding) -> nn.Sequential:
    """Return two 3×3 convolutions, each between a norm and a leaky ReLU."""
    mode = padding_mode(padding)
    return nn.Sequential(
        make_norm(norm, in_channels),
        nn.Conv2d(in_channels, mid_channels, 3, padding=1, padding_mode=mode),
        nn.LeakyReLU(),
        make_norm(norm, mid_channels),
        nn.Conv2d(mid_channels, out_channels, 3, padding=1, padding_mode=mode),
        nn.LeakyReLU(),
    )


def _double(upsample: Upsample, channels: int, padding: Padding) -> nn.Module:
    if upsample == "deconv":
        return nn.ConvTranspose2d(channels, channels, 2, 2)
    return upsampling(upsample, channels, channels, padding, bias=True)


def init_linear(network: nn.Module) -> None:
    """Initialize a network's convolutions and linear layers in place: weights from N(0, 0.02), biases 0.

    As the released code does, in which the projections to queries, keys and values keep PyTorch's initialization
    (Glorot and Bengio 2010). Uses torch's global random generator.
    """
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
            nn.init.normal_(layer.weight, 0.0, 0.02)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
    for layer in network.modules():
        if isinstance(layer, Attention):
            nn.init.xavier_uniform_(layer.input.weight)
