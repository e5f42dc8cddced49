"""The generator ``starganv2``: encodes an image of any domain, decodes it with a style (Choi et al. 2020, app. A)."""

from __future__ import annotations

from itertools import pairwise
from math import sqrt
from typing import Annotated

import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from ganzoo_cyclegan.layers import InstanceNorm, Padding, Width, pad_to_stride
from ganzoo_stargan.layers import SLOPE, AffineNorm, PoolingBlock, conv, init_kaiming, shortcut


class StarGenerator(nn.Module):
    """An encoder and a decoder for all domains; a style says to which domain, and to which look of it, it decodes.

    Encoder: a 3×3 convolution, ``downs`` residual blocks with instance norm and average pooling, and two more at that
    size. Decoder: the same in reverse with nearest upsampling; its adaptive instance norms compute (1 + γ)·IN(x) + β,
    with γ and β linear in the style; then an instance norm and a 1×1 convolution without tanh. With the defaults and
    three channels it has 33,892,995 parameters.

    Args:
        in_channels: number of channels of the input images.
        out_channels: number of channels of the decoded images: usually the same, as one network
            serves all domains.
        width: number of channels at full size; it doubles at each halving, up to ``max_width``.
        max_width: the largest number of channels.
        downs: number of times that height and width are halved: 4 in the paper, for 256 pixels.
        style: length of a style vector.
        padding: border padding of the 3×3 convolutions: ``zero``, as published, ``reflect`` or ``replicate``.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        width: Width = 64,
        max_width: Width = 512,
        downs: Annotated[int, Field(ge=1, le=6)] = 4,
        style: Annotated[int, Field(ge=1)] = 64,
        padding: Padding = "zero",
    ) -> None:
        super().__init__()
        self.width, self.max_width, self.style = width, max_width, style
        self.stride = 2**downs
        widths = [min(width * 2**i, max_width) for i in range(downs + 1)]
        inner = widths[-1]
        self.encoder = nn.Sequential(
            conv(in_channels, widths[0], padding),
            *(PoolingBlock(a, b, norm=True, down=True, padding=padding) for a, b in pairwise(widths)),
            *(PoolingBlock(inner, inner, norm=True, padding=padding) for _ in range(2)),
        )
        self.decoder = nn.ModuleList(
            [AdaptiveBlock(inner, inner, style, padding=padding) for _ in range(2)]
            + [AdaptiveBlock(a, b, style, up=True, padding=padding) for a, b in pairwise(reversed(widths))]
        )
        self.to_image = nn.Sequential(AffineNorm(widths[0]), nn.LeakyReLU(SLOPE), nn.Conv2d(widths[0], out_channels, 1))
        init_kaiming(self)

    def encode(self, images: Tensor) -> Tensor:
        """Return the contents (B, C', H/s, W/s) of images (B, C, H, W) in [−1, 1], with s = 2**downs.

        H and W are first padded to multiples of s, at least 2s; ``decode`` then returns images of the padded size.
        """
        content: Tensor = self.encoder(pad_to_stride(images, self.stride, min_size=2 * self.stride))
        return content

    def decode(self, content: Tensor, style: Tensor) -> Tensor:
        """Return images (B, C, H, W), not confined to [−1, 1], for contents (see ``encode``) and styles (B, style)."""
        for block in self.decoder:
            content = block(content, style)
        images: Tensor = self.to_image(content)
        return images


class AdaptiveBlock(nn.Module):
    """A pre-activation residual block with adaptive instance norms, which may double height and width.

    The result is (shortcut + residual) / √2.

    Args:
        in_channels: number of channels of the input.
        out_channels: number of channels of the output.
        style: length of a style vector.
        up: whether to double height and width, to the nearest pixel.
        padding: border padding of the 3×3 convolutions.
    """

    def __init__(
        self, in_channels: int, out_channels: int, style: int, *, up: bool = False, padding: Padding = "zero"
    ) -> None:
        super().__init__()
        self.up = up
        self.norm = InstanceNorm()
        self.affine = nn.ModuleList(nn.Linear(style, 2 * channels) for channels in (in_channels, out_channels))
        self.first = conv(in_channels, out_channels, padding)
        self.second = conv(out_channels, out_channels, padding)
        self.shortcut = shortcut(in_channels, out_channels)

    def forward(self, maps: Tensor, style: Tensor) -> Tensor:
        """Return maps (B, out_channels, H, W), or with ``up`` (B, out_channels, 2·H, 2·W), for styles (B, style)."""
        hidden = self.first(self.resized(F.leaky_relu(self.modulated(0, maps, style), SLOPE)))
        residual = self.second(F.leaky_relu(self.modulated(1, hidden, style), SLOPE))
        output: Tensor = (self.shortcut(self.resized(maps)) + residual) / sqrt(2)
        return output

    def modulated(self, number: int, maps: Tensor, style: Tensor) -> Tensor:
        """Return (1 + γ)·IN(maps) + β, with γ and β of one of the two norms."""
        gamma, beta = self.affine[number](style)[:, :, None, None].to(maps.dtype).chunk(2, dim=1)
        return (1 + gamma) * self.norm(maps) + beta

    def resized(self, maps: Tensor) -> Tensor:
        """Return maps of twice the height and width, if the block doubles them."""
        return F.interpolate(maps, scale_factor=2, mode="nearest") if self.up else maps
