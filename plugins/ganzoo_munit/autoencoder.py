"""The generator ``munit``: an autoencoder of one domain that separates content and style."""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn

from ganzoo_cyclegan.layers import Padding, Width, crop_to, pad_to_stride
from ganzoo_munit.layers import (
    AdaptiveResidual,
    Head,
    Residual,
    activation,
    conv,
    decoder_end,
    encoder_start,
    init_kaiming,
)

Count = Annotated[int, Field(ge=1)]
Slope = Annotated[float, Field(ge=0, lt=1)]


class MUNITGenerator(nn.Module):
    """An autoencoder of one domain, which encodes images to content and style (Huang et al. 2018, appendix B).

    Content encoder: a 7×7 convolution, ``downs`` 4×4 convolutions of stride 2 and residual blocks, all with instance
    norm. Style encoder: a 7×7 convolution and four 4×4 ones of stride 2, without norms, average-pooled and projected to
    a vector of length ``style``. Decoder: residual blocks and ``downs`` upsampling layers; a perceptron of three layers
    computes the shifts and scales of the blocks' norms from the style. With the defaults and three channels it has
    15,026,187 parameters.

    Args:
        in_channels: number of channels of the domain's images.
        out_channels: number of channels of the decoded images: the same, as a domain is decoded to itself.
        width: number of channels at full size; it doubles at each convolution of stride 2, in the style encoder up to
            four times as many.
        downs: number of convolutions of stride 2 in the content encoder.
        blocks: number of residual blocks, in the encoder and in the decoder.
        style: length of a style vector.
        hidden: number of units of each hidden layer of the perceptron.
        head: the decoder's last layer: ``tanh``, as published, or, for label maps, ``softmax`` over the classes, scaled
            to [−1, 1], so that the classes of a pixel exclude one another.
        padding: at the borders of every map: ``reflect``, as published, ``replicate`` or ``zero``.
        slope: slope of the ReLU below 0; 0, as published; 0.2 is the released code's leaky ReLU.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        width: Width = 64,
        downs: Annotated[int, Field(ge=1, le=4)] = 2,
        blocks: Annotated[int, Field(ge=0)] = 4,
        style: Count = 8,
        hidden: Count = 256,
        head: Head = "tanh",
        padding: Padding = "reflect",
        slope: Slope = 0.0,
    ) -> None:
        super().__init__()
        self.head = head
        self.style = style
        self.stride = 2**downs
        inner = width * 2**downs
        self.content = nn.Sequential(
            *encoder_start(in_channels, width, downs, padding, slope),
            *(Residual(inner, "instance", padding, slope) for _ in range(blocks)),
        )
        deep = 4 * width
        self.look = nn.Sequential(
            conv(in_channels, width, 7, slope=slope, padding=padding),
            *(
                conv(min(width * 2**i, deep), min(width * 2 ** (i + 1), deep), 4, 2, slope=slope, padding=padding)
                for i in range(4)
            ),
            nn.AdaptiveAvgPool2d(1),
            nn.Conv2d(deep, style, 1),
        )
        self.blocks = nn.ModuleList([AdaptiveResidual(inner, padding, slope) for _ in range(blocks)])
        self.up = nn.Sequential(*decoder_end(out_channels, width, downs, head, padding, slope))
        self.inner = inner
        self.perceptron = nn.Sequential(
            nn.Linear(style, hidden),
            activation(slope),
            nn.Linear(hidden, hidden),
            activation(slope),
            nn.Linear(hidden, 4 * inner * blocks),
        )
        init_kaiming(self)

    def encode(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return the contents and the styles of images, as ``encode_content`` and ``encode_style`` do."""
        return self.encode_content(images), self.encode_style(images)

    def encode_content(self, images: Tensor) -> Tensor:
        """Return the contents (B, width · s, H/s, W/s) of images (B, C, H, W) in [−1, 1], with s = 2**downs.

        H and W are first padded to multiples of s, at least 4s; ``decode`` then returns images of the padded size.
        """
        content: Tensor = self.content(pad_to_stride(images, self.stride, min_size=4 * self.stride))
        return content

    def encode_style(self, images: Tensor) -> Tensor:
        """Return the styles (B, style) in float32 of images (B, C, H, W) of any size."""
        look: Tensor = self.look(pad_to_stride(images, self.stride, min_size=32)).flatten(1)
        return look.to(torch.promote_types(look.dtype, torch.float32))

    def decode(self, content: Tensor, style: Tensor) -> Tensor:
        """Return images (B, C, H, W) in [−1, 1] for contents (see ``encode_content``) and styles (B, style)."""
        for block, numbers in zip(self.blocks, self.perceptron(style).split(4 * self.inner, dim=1), strict=False):
            content = block(content, numbers)
        decoded: Tensor = self.up(content)
        return decoded

    def forward(self, images: Tensor) -> Tensor:
        """Return the reconstructions of images (B, C, H, W), of the same size."""
        return crop_to(self.decode(*self.encode(images)), images)
