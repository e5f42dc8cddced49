"""Networks of DRIT's textbook step (Lee et al. 2018; the released code, which concatenates attributes)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from benchmarks.speed.textbook.munit import Residual, conv

ATTRIBUTES = 8


class Generator(nn.Module):
    """Content encoders and decoders of both domains; one block of each is shared.

    Args:
        width: number of channels at full size.
    """

    def __init__(self, width: int = 64) -> None:
        super().__init__()
        self.encoders = nn.ModuleDict({domain: encoder(width) for domain in "AB"})
        self.encoded, self.decoded = Residual(4 * width), Residual(4 * width)
        self.decoders = nn.ModuleDict({domain: decoder(width) for domain in "AB"})

    def encode(self, images: Tensor, domain: str) -> Tensor:
        """Return the contents of a domain's images."""
        return self.encoded(self.encoders[domain](images))

    def decode(self, contents: Tensor, attributes: Tensor, domain: str) -> Tensor:
        """Return a domain's images for contents and attributes, which join the input of each layer."""
        maps = self.decoded(contents)
        for layer in self.decoders[domain].children():
            planes = attributes[:, :, None, None].expand(-1, -1, *maps.shape[2:])
            maps = layer(torch.cat([maps, planes.to(maps.dtype)], dim=1))
        return maps


def encoder(width: int) -> nn.Sequential:
    """Return a domain's content encoder, without the shared block."""
    return nn.Sequential(
        conv(3, width, 7, activation=nn.LeakyReLU(0.01)),
        conv(width, 2 * width, 3, 2, nn.InstanceNorm2d(2 * width), nn.ReLU()),
        conv(2 * width, 4 * width, 3, 2, nn.InstanceNorm2d(4 * width), nn.ReLU()),
        *(Residual(4 * width) for _ in range(3)),
    )


def decoder(width: int) -> nn.Sequential:
    """Return a domain's decoder, without the shared block; group norm of one group is layer norm."""
    inner = 4 * width + ATTRIBUTES
    layers: list[nn.Module] = [nn.Sequential(*(Residual(inner) for _ in range(3)))]
    for _ in range(2):
        entering, inner = inner + ATTRIBUTES, (inner + ATTRIBUTES) // 2
        up = nn.ConvTranspose2d(entering, inner, 3, 2, 1, 1)
        layers.append(nn.Sequential(up, nn.GroupNorm(1, inner), nn.ReLU()))
    last = nn.Sequential(nn.Conv2d(inner + ATTRIBUTES, 3, 1), nn.Tanh())
    return nn.Sequential(*layers, last)


class HalvingBlock(nn.Module):
    """A residual block that halves the size of maps."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.convs = nn.Sequential(
            nn.LeakyReLU(0.2),
            conv(in_channels, in_channels, 3, activation=nn.LeakyReLU(0.2)),
            conv(in_channels, out_channels, 3),
            nn.AvgPool2d(2),
        )
        self.short = nn.Sequential(nn.AvgPool2d(2), nn.Conv2d(in_channels, out_channels, 1))

    def forward(self, maps: Tensor) -> Tensor:
        """Return the sum of both branches."""
        return self.convs(maps) + self.short(maps)


class AttributeEncoder(nn.Module):
    """An encoder of a domain's images to a normal distribution of attributes."""

    def __init__(self, width: int = 64) -> None:
        super().__init__()
        self.look = nn.Sequential(
            conv(3, width, 4, 2),
            *(HalvingBlock(level * width, (level + 1) * width) for level in (1, 2, 3)),
            nn.LeakyReLU(0.2),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
        )
        self.mean = nn.Linear(4 * width, ATTRIBUTES)
        self.log_variance = nn.Linear(4 * width, ATTRIBUTES)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return mean and log-variance, (B, 8) each, in float32."""
        look = self.look(images)
        return self.mean(look).float(), self.log_variance(look).float()


def content_discriminator(width: int = 64) -> nn.Sequential:
    """Return the discriminator of contents, for images of at least 212 pixels."""
    channels, layers = 4 * width, []
    for _ in range(3):
        layers += [nn.ReflectionPad2d(1), nn.Conv2d(channels, channels, 7, 2), nn.LeakyReLU(0.01)]
    return nn.Sequential(*layers, nn.Conv2d(channels, channels, 4), nn.LeakyReLU(0.01), nn.Conv2d(channels, 1, 1))
