"""DRIT's networks: the generator ``drit``, the attribute encoders and the discriminator of contents."""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn

from ganzoo import GanzooError
from ganzoo.interfaces import join_channels
from ganzoo_cyclegan.layers import (
    LogitConv2d,
    Pad,
    Padding,
    Upsample,
    Width,
    pad_to_stride,
    upsampling,
)
from ganzoo_munit.layers import Residual, conv

STRIDE = 4
SLOPE = 0.01
"""Slope below 0 of the leaky ReLUs in the content encoders and the discriminator of contents."""


def init_weights(network: nn.Module) -> None:
    """Draw the weights of a network's convolutions from N(0, 0.02) in place, as the released code does.

    Biases stay as torch draws them, uniform within ±1/√n for n inputs. Uses torch's global random generator.
    """
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.normal_(layer.weight, 0.0, 0.02)


class DRITGenerator(nn.Module):
    """Content encoders and decoders of two domains with a shared space of contents (Lee et al. 2018).

    This is the generator of DRIT++'s code that concatenates attributes. Encoder of a domain: a 7×7 convolution without
    norm, two 3×3 ones of stride 2 and residual blocks with instance norm; the last block is shared by both domains.
    Decoder: a first block that both domains share; then, for each domain, residual blocks, two transposed convolutions
    with layer norm and a 1×1 convolution with tanh. The attributes are concatenated to the input of the domain's blocks
    and of each layer after them. With the defaults and three channels it has 9,018,112 parameters in the encoders and
    9,564,710 in the decoders.

    Args:
        in_channels: number of channels of A's images.
        out_channels: number of channels of B's images.
        width: number of channels at full size; four times as many in the content.
        blocks: number of residual blocks of each domain, in the encoder and in the decoder, besides the shared ones.
        attributes: number of attributes of an image.
        padding: border padding of every map but those that ``deconv`` upsamples: ``reflect``, as published,
            ``replicate`` or ``zero``.
        upsample: the upsampling layer: ``deconv`` as in the paper; ``resize`` and ``pixelshuffle`` avoid its
            checkerboard artifacts.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        width: Width = 64,
        blocks: Annotated[int, Field(ge=0)] = 3,
        attributes: Annotated[int, Field(ge=1)] = 8,
        padding: Padding = "reflect",
        upsample: Upsample = "deconv",
    ) -> None:
        super().__init__()
        self.width, self.attributes = width, attributes
        inner = STRIDE * width
        channels = {"A": in_channels, "B": out_channels}
        self.encoders = nn.ModuleDict({one: encoder(many, width, blocks, padding) for one, many in channels.items()})
        self.encoded = Residual(inner, "instance", padding)
        self.decoded = Residual(inner, "instance", padding)
        self.decoders = nn.ModuleDict(
            {one: decoder(many, inner, blocks, attributes, padding, upsample) for one, many in channels.items()}
        )
        init_weights(self)

    def encode(self, images: Tensor, domain: str) -> Tensor:
        """Return the contents (B, 4·width, H/4, W/4) of a domain's images (B, C, H, W) in [−1, 1].

        H and W are first padded to multiples of 4, at least 16; ``decode`` then returns images of the padded size.
        """
        contents: Tensor = self.encoded(self.encoders[domain](pad_to_stride(images, STRIDE, min_size=4 * STRIDE)))
        return contents

    def decode(self, contents: Tensor, attributes: Tensor, domain: str) -> Tensor:
        """Return images (B, C, H, W) in [−1, 1] of a domain for contents and attributes (B, attributes)."""
        maps: Tensor = self.decoded(contents)
        planes = attributes.to(maps.dtype)[:, :, None, None]
        for layer in self.decoders[domain].children():
            maps = layer(join_channels([maps, planes.expand(-1, -1, *maps.shape[2:])]))
        return maps


def encoder(channels: int, width: int, blocks: int, padding: Padding) -> nn.Sequential:
    """Return the layers of a domain's content encoder that the domains do not share."""
    return nn.Sequential(
        conv(channels, width, 7, slope=SLOPE, padding=padding),
        conv(width, 2 * width, 3, 2, norm="instance", padding=padding),
        conv(2 * width, 4 * width, 3, 2, norm="instance", padding=padding),
        *(Residual(4 * width, "instance", padding) for _ in range(blocks)),
    )


def decoder(
    channels: int, inner: int, blocks: int, attributes: int, padding: Padding, upsample: Upsample
) -> nn.Sequential:
    """Return the layers of a domain's decoder that the domains do not share.

    The input of each layer has the attributes as further channels, which the caller concatenates.
    """
    in_channels = inner + attributes
    layers: list[nn.Module] = [nn.Sequential(*(Residual(in_channels, "instance", padding) for _ in range(blocks)))]
    for _ in range(2):
        in_channels += attributes
        out_channels = in_channels // 2
        if upsample == "deconv":
            up: nn.Module = nn.ConvTranspose2d(in_channels, out_channels, 3, 2, 1, output_padding=1)
        else:
            up = upsampling(upsample, in_channels, out_channels, padding, bias=True)
        layers.append(nn.Sequential(up, nn.GroupNorm(1, out_channels), nn.ReLU()))  # one group: layer norm
        in_channels = out_channels
    return nn.Sequential(*layers, nn.Sequential(nn.Conv2d(in_channels + attributes, channels, 1), nn.Tanh()))


class HalvingBlock(nn.Module):
    """A residual block that halves the size: two 3×3 convolutions, and a 1×1 one as the shortcut.

    It is a pre-activation block: a leaky ReLU comes before each 3×3 convolution.
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.convs = nn.Sequential(
            nn.LeakyReLU(0.2),
            conv(in_channels, in_channels, 3, slope=0.2),
            conv(in_channels, out_channels, 3, slope=None),
        )
        self.short = nn.Conv2d(in_channels, out_channels, 1)
        self.pool = nn.AvgPool2d(2)

    def forward(self, maps: Tensor) -> Tensor:
        """Return maps (B, out_channels, ⌊H/2⌋, ⌊W/2⌋) for maps (B, in_channels, H, W)."""
        halved: Tensor = self.pool(self.convs(maps)) + self.short(self.pool(maps))
        return halved


class AttributeEncoder(nn.Module):
    """An encoder of a domain's images to a normal distribution of attributes (Lee et al. 2018, as released).

    It consists of a 4×4 convolution of stride 2, three ``HalvingBlock``, global average pooling, and two linear layers,
    for the mean and the log-variance. There are no norms.

    Args:
        channels: number of channels of the images.
        width: number of channels of the first layer; two, three and four times as many in the blocks.
        attributes: number of attributes.
    """

    def __init__(self, channels: int, width: int, attributes: int) -> None:
        super().__init__()
        self.look = nn.Sequential(
            conv(channels, width, 4, 2, slope=None),
            *(HalvingBlock(level * width, (level + 1) * width) for level in (1, 2, 3)),
            nn.LeakyReLU(0.2),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
        )
        self.mean = nn.Linear(4 * width, attributes)
        self.log_variance = nn.Linear(4 * width, attributes)
        init_weights(self)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return mean and log-variance, (B, attributes) each, for images (B, C, H, W) in [−1, 1] of any size."""
        look = self.look(pad_to_stride(images, 2, min_size=16))
        mean, log_variance = self.mean(look), self.log_variance(look)
        precise = torch.promote_types(mean.dtype, torch.float32)
        return mean.to(precise), log_variance.to(precise)


class AttributeEncoders(nn.Module):
    """One ``AttributeEncoder`` for each domain.

    They have 2,688,160 parameters with width 64, 8 attributes and three channels.

    Args:
        in_channels: number of channels of A's images.
        out_channels: number of channels of B's images.
        width: number of channels of each encoder's first layer.
        attributes: number of attributes.
    """

    def __init__(self, in_channels: int, out_channels: int, width: int, attributes: int) -> None:
        super().__init__()
        channels = {"A": in_channels, "B": out_channels}
        self.encoders = nn.ModuleDict(
            {one: AttributeEncoder(many, width, attributes) for one, many in channels.items()}
        )

    def forward(self, images: Tensor, domain: str) -> tuple[Tensor, Tensor]:
        """Return mean and log-variance, (B, attributes) each, of the attributes of a domain's images (B, C, H, W)."""
        distribution: tuple[Tensor, Tensor] = self.encoders[domain](images)
        return distribution


class ContentDiscriminator(nn.Module):
    """A discriminator of contents: A (0) or B (1) (Lee et al. 2018, section 3.1; as released, without norms).

    It has ``layers`` 7×7 convolutions of stride 2, padded by 1, then a 4×4 and a 1×1 convolution, with leaky ReLU in
    between. With three layers, a content of 54×54 (from images of 216×216) gives one logit; with 256 channels there are
    then 10,683,649 parameters.

    Args:
        channels: number of channels of the contents.
        layers: number of convolutions of stride 2.
    """

    def __init__(self, channels: int, layers: int) -> None:
        super().__init__()
        self.min_size = 4
        for _ in range(layers):
            self.min_size = 2 * self.min_size + 3
        downs = (
            layer
            for _ in range(layers)
            for layer in (Pad("reflect", 1), nn.Conv2d(channels, channels, 7, 2), nn.LeakyReLU(SLOPE))
        )
        last = (nn.Conv2d(channels, channels, 4), nn.LeakyReLU(SLOPE), LogitConv2d(channels, 1, 1))
        self.layers = nn.Sequential(*downs, *last)
        init_weights(self)

    def forward(self, contents: Tensor) -> Tensor:
        """Return the logits (B, 1, h, w) of contents (B, C, H, W).

        Raises GanzooError for contents that are too small: with three layers, below 53×53.
        """
        height, width = contents.shape[-2:]
        if min(height, width) < self.min_size:
            raise GanzooError(
                f"method.content_layers: contents of {height}×{width} are too small for that many layers, which need "
                f"images of at least {STRIDE * self.min_size}×{STRIDE * self.min_size} pixels"
            )
        logits: Tensor = self.layers(contents)
        return logits
