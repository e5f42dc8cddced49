"""DRIT's networks: what images of two domains show, how they look, both put together; whose contents are."""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn

from ganzoo import GanzooError
from ganzoo_cyclegan.layers import Width, init_weights, pad_to_stride
from ganzoo_munit.layers import Residual, conv

STRIDE = 4
SLOPE = 0.01
"""Of the leaky ReLUs, but for the attribute encoder's."""


class DRITGenerator(nn.Module):
    """Encode images of two domains to contents that both share, and decode those with attributes (Lee et al. 2018).

    As released with DRIT++, the generator that concatenates. Each domain's encoder is a 7×7 convolution without norm,
    two 3×3 ones of stride 2 and residual blocks with instance norm; a last block is one for both domains. So is a first
    block of the decoders; then come, for each domain, residual blocks, two transposed convolutions with layer norm and
    a 1×1 one, and the attributes enter beside the maps before the blocks and before each layer after them. With its
    defaults and three channels it has 9,018,112 parameters in the encoders and 9,564,710 in the decoders.

    Args:
        in_channels: of A's images.
        out_channels: of B's images.
        width: channels at full size; four times as many in the content.
        blocks: residual blocks of each domain, in the encoder and in the decoder.
        attributes: numbers that tell how an image looks.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        width: Width = 64,
        blocks: Annotated[int, Field(ge=0)] = 3,
        attributes: Annotated[int, Field(ge=1)] = 8,
    ) -> None:
        super().__init__()
        self.width, self.attributes = width, attributes
        inner = STRIDE * width
        channels = {"A": in_channels, "B": out_channels}
        self.encoders = nn.ModuleDict({one: encoder(many, width, blocks) for one, many in channels.items()})
        self.encoded = Residual(inner, "instance")
        self.decoded = Residual(inner, "instance")
        self.decoders = nn.ModuleDict({one: decoder(many, inner, blocks, attributes) for one, many in channels.items()})
        init_weights(self)

    def encode(self, images: Tensor, domain: str) -> Tensor:
        """Return the contents (B, 4·width, H/4, W/4) of a domain's images (B, C, H, W) in [−1, 1].

        Heights and widths that are no multiple of 4 are padded; ``decode`` gives the padded size back.
        """
        contents: Tensor = self.encoded(self.encoders[domain](pad_to_stride(images, STRIDE, least=4 * STRIDE)))
        return contents

    def decode(self, contents: Tensor, attributes: Tensor, domain: str) -> Tensor:
        """Return a domain's images (B, C, H, W) in [−1, 1] that show contents and look as attributes (B, n) say."""
        maps: Tensor = self.decoded(contents)
        told = attributes.to(maps.dtype)[:, :, None, None]
        for layer in self.decoders[domain].children():
            maps = layer(torch.cat([maps, told.expand(-1, -1, *maps.shape[2:])], 1))
        return maps


def encoder(channels: int, width: int, blocks: int) -> nn.Sequential:
    """Return the part of a content encoder that is a domain's own."""
    return nn.Sequential(
        conv(channels, width, 7, slope=SLOPE),
        conv(width, 2 * width, 3, 2, norm="instance"),
        conv(2 * width, 4 * width, 3, 2, norm="instance"),
        *(Residual(4 * width, "instance") for _ in range(blocks)),
    )


def decoder(channels: int, inner: int, blocks: int, attributes: int) -> nn.Sequential:
    """Return the layers of a domain's decoder, before each of which the attributes enter."""
    entering = inner + attributes
    layers: list[nn.Module] = [nn.Sequential(*(Residual(entering, "instance") for _ in range(blocks)))]
    for _ in range(2):
        entering += attributes
        leaving = entering // 2
        up = nn.ConvTranspose2d(entering, leaving, 3, 2, 1, output_padding=1)
        layers.append(nn.Sequential(up, nn.GroupNorm(1, leaving), nn.ReLU()))  # one group: over all channels
        entering = leaving
    return nn.Sequential(*layers, nn.Sequential(nn.Conv2d(entering + attributes, channels, 1), nn.Tanh()))


class Halving(nn.Module):
    """Two 3×3 convolutions, each after a leaky ReLU, and a 1×1 one past them, both then pooled to half the size."""

    def __init__(self, entering: int, leaving: int) -> None:
        super().__init__()
        self.convs = nn.Sequential(
            nn.LeakyReLU(0.2), conv(entering, entering, 3, slope=0.2), conv(entering, leaving, 3, slope=None)
        )
        self.short = nn.Conv2d(entering, leaving, 1)
        self.pool = nn.AvgPool2d(2)

    def forward(self, maps: Tensor) -> Tensor:
        """Return (B, leaving, H/2, W/2) of maps (B, entering, H, W)."""
        halved: Tensor = self.pool(self.convs(maps)) + self.short(self.pool(maps))
        return halved


class AttributeEncoder(nn.Module):
    """Tell how images of a domain look: a normal distribution of attributes (Lee et al. 2018, as released).

    A 4×4 convolution of stride 2, three blocks that halve, without norms, pooled to a vector, and two linear layers.

    Args:
        channels: of the images.
        width: channels of the first layer; two, three and four times as many in the blocks.
        attributes: how many.
    """

    def __init__(self, channels: int, width: int, attributes: int) -> None:
        super().__init__()
        self.look = nn.Sequential(
            conv(channels, width, 4, 2, slope=None),
            *(Halving(level * width, (level + 1) * width) for level in (1, 2, 3)),
            nn.LeakyReLU(0.2),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
        )
        self.mean = nn.Linear(4 * width, attributes)
        self.log_variance = nn.Linear(4 * width, attributes)
        init_weights(self)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return mean and log-variance, (B, attributes) each, of images (B, C, H, W) in [−1, 1], of any size."""
        look = self.look(pad_to_stride(images, 2, least=16))
        mean, log_variance = self.mean(look), self.log_variance(look)
        precise = torch.promote_types(mean.dtype, torch.float32)
        return mean.to(precise), log_variance.to(precise)


class AttributeEncoders(nn.Module):
    """An ``AttributeEncoder`` of each domain; with width 64, 8 attributes and three channels 2,688,160 parameters.

    Args:
        in_channels: of A's images.
        out_channels: of B's images.
        width: as ``AttributeEncoder``'s.
        attributes: likewise.
    """

    def __init__(self, in_channels: int, out_channels: int, width: int, attributes: int) -> None:
        super().__init__()
        channels = {"A": in_channels, "B": out_channels}
        self.encoders = nn.ModuleDict(
            {one: AttributeEncoder(many, width, attributes) for one, many in channels.items()}
        )

    def forward(self, images: Tensor, domain: str) -> tuple[Tensor, Tensor]:
        """Return mean and log-variance of the attributes of a domain's images."""
        found: tuple[Tensor, Tensor] = self.encoders[domain](images)
        return found


class ContentDiscriminator(nn.Module):
    """Tell contents of A (0) from those of B (1) (Lee et al. 2018, section 3.1; as released, so without norms).

    7×7 convolutions of stride 2, padded by 1, a 4×4 one and a 1×1 one, leaky. Three of the first kind
    leave one number of contents of 54×54 (images of 216×216); with 256 channels it then has 10,683,649 parameters.

    Args:
        channels: of the contents.
        layers: convolutions of stride 2.
    """

    def __init__(self, channels: int, layers: int) -> None:
        super().__init__()
        self.least = 4
        for _ in range(layers):
            self.least = 2 * self.least + 3
        downs = (
            layer
            for _ in range(layers)
            for layer in (nn.ReflectionPad2d(1), nn.Conv2d(channels, channels, 7, 2), nn.LeakyReLU(SLOPE))
        )
        last = (nn.Conv2d(channels, channels, 4), nn.LeakyReLU(SLOPE), nn.Conv2d(channels, 1, 1))
        self.layers = nn.Sequential(*downs, *last)
        init_weights(self)

    def forward(self, contents: Tensor) -> Tensor:
        """Return logits (B, 1, h, w) of contents (B, C, H, W). Raises GanzooError for contents that are too small."""
        height, width = contents.shape[-2:]
        if min(height, width) < self.least:
            raise GanzooError(
                f"method.content_layers: contents of {height}×{width} are too small to tell whose they are with that "
                f"many layers: these need images from {STRIDE * self.least}×{STRIDE * self.least} pixels on"
            )
        logits: Tensor = self.layers(contents)
        return logits
