"""MUNIT's autoencoder of one domain: what is shown (content), how it looks (style), and both together again."""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn

from ganzoo_cyclegan.layers import Width, crop_to, pad_to_stride
from ganzoo_munit.layers import AdaptiveResidual, Head, Residual, conv, decoder_end, encoder_start, init_kaiming

Count = Annotated[int, Field(ge=1)]


class MUNITGenerator(nn.Module):
    """Encode images of a domain to content and style, and decode such pairs (Huang et al. 2018, appendix B).

    Content: a 7×7 convolution, ``downs`` 4×4 ones of stride 2, residual blocks, all with instance norm. Style: a 7×7
    convolution, four of stride 2, without norms, pooled to a vector of ``style`` numbers. The decoder's residual blocks
    take shift and scale from the style by a perceptron of three layers. With its defaults and three channels it has
    15,026,187 parameters.

    Args:
        in_channels: of the domain's images.
        out_channels: likewise; a domain is decoded to itself.
        width: channels at full size; four times as many in the blocks.
        downs: convolutions of stride 2 to the content.
        blocks: residual blocks, in the encoder and in the decoder.
        style: numbers of a style.
        hidden: units of the perceptron's layers.
        head: what the decoder ends in: ``tanh``, as published, or, where images are label maps, ``softmax`` over the
            classes, scaled to [−1, 1], so that what a pixel has of one class it lacks of the others.
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
    ) -> None:
        super().__init__()
        self.head = head
        self.style = style
        self.stride = 2**downs
        inner = width * 2**downs
        self.content = nn.Sequential(
            *encoder_start(in_channels, width, downs), *(Residual(inner, "instance") for _ in range(blocks))
        )
        deep = 4 * width
        self.look = nn.Sequential(
            conv(in_channels, width, 7),
            *(conv(min(width * 2**i, deep), min(width * 2 ** (i + 1), deep), 4, 2) for i in range(4)),
            nn.AdaptiveAvgPool2d(1),
            nn.Conv2d(deep, style, 1),
        )
        self.blocks = nn.ModuleList([AdaptiveResidual(inner) for _ in range(blocks)])
        self.up = nn.Sequential(*decoder_end(out_channels, width, downs, head))
        self.inner = inner
        self.perceptron = nn.Sequential(
            nn.Linear(style, hidden),
            nn.ReLU(),
            nn.Linear(hidden, hidden),
            nn.ReLU(),
            nn.Linear(hidden, 4 * inner * blocks),
        )
        init_kaiming(self)

    def encode(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return content and style of images, as ``encode_content`` and ``encode_style`` do."""
        return self.encode_content(images), self.encode_style(images)

    def encode_content(self, images: Tensor) -> Tensor:
        """Return the contents (B, 4·width, H/4, W/4) of images (B, C, H, W) in [−1, 1].

        Heights and widths that are no multiple of the stride are padded; ``decode`` gives the padded size back.
        """
        content: Tensor = self.content(pad_to_stride(images, self.stride, least=4 * self.stride))
        return content

    def encode_style(self, images: Tensor) -> Tensor:
        """Return the styles (B, style) of images (B, C, H, W), of any size."""
        look: Tensor = self.look(pad_to_stride(images, self.stride, least=32)).flatten(1)
        return look.to(torch.promote_types(look.dtype, torch.float32))

    def decode(self, content: Tensor, style: Tensor) -> Tensor:
        """Return the images (B, C, H, W) in [−1, 1] that show a content in a style."""
        for block, numbers in zip(self.blocks, self.perceptron(style).split(4 * self.inner, dim=1), strict=False):
            content = block(content, numbers)
        decoded: Tensor = self.up(content)
        return decoded

    def forward(self, images: Tensor) -> Tensor:
        """Return images decoded from what they were encoded to, of the same size."""
        return crop_to(self.decode(*self.encode(images)), images)
