"""MUNIT's textbook step (Huang et al. 2018, sections 3 and 5.1, appendix B), and layers that UNIT and DRIT share."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.speed.textbook.step import TextbookStep, l1, squares


class LayerNorm(nn.Module):
    """The layer norm of MUNIT's decoder: over all values of an image, with a gain and a bias for each channel."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.gain, self.bias = nn.Parameter(torch.rand(channels)), nn.Parameter(torch.zeros(channels))

    def forward(self, maps: Tensor) -> Tensor:
        """Return gain · (x − mean) / (standard deviation + 1e-5) + bias."""
        mean, deviation = maps.mean((1, 2, 3), keepdim=True), maps.std((1, 2, 3), keepdim=True)
        return (maps - mean) / (deviation + 1e-5) * self.gain[:, None, None] + self.bias[:, None, None]


def conv(
    in_channels: int,
    out_channels: int,
    size: int,
    stride: int = 1,
    norm: nn.Module | None = None,
    activation: nn.Module | None = None,
) -> nn.Sequential:
    """Return reflection padding, a convolution, and what follows it."""
    pad = nn.ReflectionPad2d((size - 1) // 2)
    after = [layer for layer in (norm, activation) if layer is not None]
    return nn.Sequential(pad, nn.Conv2d(in_channels, out_channels, size, stride), *after)


class Residual(nn.Module):
    """A residual block of two 3×3 convolutions with instance norm."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = conv(channels, channels, 3, 1, nn.InstanceNorm2d(channels), nn.ReLU())
        self.second = conv(channels, channels, 3, 1, nn.InstanceNorm2d(channels))

    def forward(self, maps: Tensor) -> Tensor:
        """Return the sum of the maps and what the convolutions make of them."""
        return maps + self.second(self.first(maps))


class StyledResidual(nn.Module):
    """A residual block with adaptive instance norms."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first, self.second = conv(channels, channels, 3), conv(channels, channels, 3)

    def forward(self, maps: Tensor, numbers: Tensor) -> Tensor:
        """Return maps; the numbers are (B, 4C): shifts and scales of the first norm, then of the second."""
        shift, scale, second_shift, second_scale = numbers[:, :, None, None].chunk(4, dim=1)
        hidden = F.relu(F.instance_norm(self.first(maps)) * scale + shift)
        return maps + F.instance_norm(self.second(hidden)) * second_scale + second_shift


def content_encoder(width: int) -> list[nn.Module]:
    """Return the layers of a content encoder."""
    return [
        conv(3, width, 7, 1, nn.InstanceNorm2d(width), nn.ReLU()),
        conv(width, 2 * width, 4, 2, nn.InstanceNorm2d(2 * width), nn.ReLU()),
        conv(2 * width, 4 * width, 4, 2, nn.InstanceNorm2d(4 * width), nn.ReLU()),
        *(Residual(4 * width) for _ in range(4)),
    ]


def upsampler(width: int) -> list[nn.Module]:
    """Return the last layers of a decoder."""
    return [
        nn.Upsample(scale_factor=2),
        conv(4 * width, 2 * width, 5, 1, LayerNorm(2 * width), nn.ReLU()),
        nn.Upsample(scale_factor=2),
        conv(2 * width, width, 5, 1, LayerNorm(width), nn.ReLU()),
        conv(width, 3, 7),
        nn.Tanh(),
    ]


class Autoencoder(nn.Module):
    """A domain's encoders of content and style, and its decoder."""

    def __init__(self, width: int = 64) -> None:
        super().__init__()
        widths, inner = [width, 2 * width, *(4 * width for _ in range(3))], 4 * width
        self.content = nn.Sequential(*content_encoder(width))
        self.style = nn.Sequential(
            conv(3, width, 7, activation=nn.ReLU()),
            *(conv(one, two, 4, 2, activation=nn.ReLU()) for one, two in pairwise(widths)),
            nn.AdaptiveAvgPool2d(1),
            nn.Conv2d(inner, 8, 1),
            nn.Flatten(),
        )
        self.blocks = nn.ModuleList([StyledResidual(inner) for _ in range(4)])
        self.up = nn.Sequential(*upsampler(width))
        self.perceptron = nn.Sequential(
            nn.Linear(8, 256), nn.ReLU(), nn.Linear(256, 256), nn.ReLU(), nn.Linear(256, 16 * inner)
        )

    def decode(self, content: Tensor, style: Tensor) -> Tensor:
        """Return images for contents and styles (B, 8)."""
        for block, numbers in zip(self.blocks, self.perceptron(style).chunk(4, dim=1), strict=True):
            content = block(content, numbers)
        return self.up(content)


class MultiScale(nn.Module):
    """Three PatchGANs, of the image, its half and its quarter size."""

    def __init__(self, width: int = 64, slope: float = 0.2) -> None:
        super().__init__()
        widths = [3, width, 2 * width, 4 * width, 8 * width]
        self.scales = nn.ModuleList(
            nn.Sequential(
                *(conv(one, two, 4, 2, activation=nn.LeakyReLU(slope)) for one, two in pairwise(widths)),
                nn.Conv2d(8 * width, 1, 1),
            )
            for _ in range(3)
        )
        self.smaller = nn.AvgPool2d(3, 2, 1, count_include_pad=False)

    def forward(self, images: Tensor) -> list[Tensor]:
        """Return a map of logits for each scale."""
        logits = []
        for scale in self.scales:
            logits.append(scale(images))
            images = self.smaller(images)
        return logits


def all_squares(maps: list[Tensor], target: float) -> Tensor:
    """Return the least-squares loss, summed over the scales."""
    return torch.stack([squares(logits, target) for logits in maps]).sum()


class TextbookMUNIT(TextbookStep):
    """MUNIT's step: discriminators and generators are trained on translations with styles of their own.

    Args:
        size: side of the images, in pixels.
        bf16: whether the networks run under autocast in bf16.
        width: number of channels of each network's first layer.
    """

    def __init__(self, size: int, *, bf16: bool = False, width: int = 64) -> None:
        super().__init__(size, bf16)
        self.networks = {name: Autoencoder(width) for name in ("G_A", "G_B")}
        self.networks |= {name: MultiScale(width) for name in ("D_A", "D_B")}
        self.add_adam("D", ("D_A", "D_B"), 1e-4, weight_decay=1e-4)
        self.add_adam("G", ("G_A", "G_B"), 1e-4, weight_decay=1e-4)

    def __call__(self) -> None:
        """Train one step: first the discriminators, then the generators."""
        a, b = self.real_a, self.real_b
        g_a, g_b, d_a, d_b = self.networks.values()
        self.train_only("D")
        with self.autocast():
            with torch.no_grad():
                fake_b = g_b.decode(g_a.content(a), self.normal(1, 8))
                fake_a = g_a.decode(g_b.content(b), self.normal(1, 8))
            loss = all_squares(d_a(a), 1) + all_squares(d_a(fake_a), 0)
            loss = loss + all_squares(d_b(b), 1) + all_squares(d_b(fake_b), 0)
        loss.backward()
        self.optimizers["D"].step()
        self.train_only("G")
        with self.autocast():
            content_a, style_a, content_b, style_b = g_a.content(a), g_a.style(a), g_b.content(b), g_b.style(b)
            random_a, random_b = self.normal(1, 8), self.normal(1, 8)
            fake_b, fake_a = g_b.decode(content_a, random_b), g_a.decode(content_b, random_a)
            loss = all_squares(d_b(fake_b), 1) + all_squares(d_a(fake_a), 1)
            loss = loss + 10 * l1(g_a.decode(content_a, style_a), a) + 10 * l1(g_b.decode(content_b, style_b), b)
            loss = loss + l1(g_b.content(fake_b), content_a) + l1(g_a.content(fake_a), content_b)
            loss = loss + l1(g_b.style(fake_b), random_b) + l1(g_a.style(fake_a), random_a)
        loss.backward()
        self.optimizers["G"].step()
