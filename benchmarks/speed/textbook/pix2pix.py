"""The textbook step of pix2pix (Isola et al. 2017, section 3, appendix 6.1)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from benchmarks.speed.textbook.step import TextbookStep, cross_entropy, l1


class Level(nn.Module):
    """A level of the U-Net: one convolution down, the inner level, one up; its input is concatenated to its output.

    Args:
        outer: number of channels of its input.
        inner: number of channels of the maps at half the size.
        nested: the next level; None: this is the innermost one.
        dropout: whether dropout follows.
    """

    def __init__(self, outer: int, inner: int, nested: Level | None, *, dropout: bool) -> None:
        super().__init__()
        between: list[nn.Module] = [] if nested is None else [nn.BatchNorm2d(inner), nested]
        self.layers = nn.Sequential(
            nn.LeakyReLU(0.2),
            nn.Conv2d(outer, inner, 4, 2, 1, bias=False),
            *between,
            nn.ReLU(),
            nn.ConvTranspose2d(inner if nested is None else 2 * inner, outer, 4, 2, 1, bias=False),
            nn.BatchNorm2d(outer),
            *([nn.Dropout(0.5)] if dropout else []),
        )

    def forward(self, maps: Tensor) -> Tensor:
        """Return the input and the output, concatenated."""
        return torch.cat([maps, self.layers(maps)], dim=1)


def unet(levels: int, width: int = 64) -> nn.Sequential:
    """Return a U-Net with batch norm and dropout, for images whose sides are multiples of 2**levels."""
    widths = [width * min(2**level, 8) for level in range(levels)]
    nested: Level | None = None
    for outer, inner in zip(reversed(widths[:-1]), reversed(widths[1:]), strict=True):
        nested = Level(outer, inner, nested, dropout=nested is not None and outer == 8 * width)
    assert nested is not None
    first, last = nn.Conv2d(3, width, 4, 2, 1, bias=False), nn.ConvTranspose2d(2 * width, 3, 4, 2, 1)
    return nn.Sequential(first, nested, nn.ReLU(), last, nn.Tanh())


def pair_discriminator(width: int = 64) -> nn.Sequential:
    """Return a PatchGAN discriminator with batch norm, of two concatenated images."""
    layers: list[nn.Module] = [nn.Conv2d(6, width, 4, 2, 1), nn.LeakyReLU(0.2)]
    for factor, stride in ((2, 2), (4, 2), (8, 1)):
        conv = nn.Conv2d(width * factor // 2, width * factor, 4, stride, 1, bias=False)
        layers += [conv, nn.BatchNorm2d(width * factor), nn.LeakyReLU(0.2)]
    return nn.Sequential(*layers, nn.Conv2d(8 * width, 1, 4, 1, 1))


class TextbookPix2Pix(TextbookStep):
    """The step of pix2pix: cross-entropy and L1, the discriminator first.

    Args:
        size: side of the images, in pixels: a power of 2. The U-Net halves it to 1, eight times at most.
        bf16: whether the networks run under autocast in bf16.
        width: number of channels of each network's first layer.
    """

    def __init__(self, size: int, *, bf16: bool = False, width: int = 64) -> None:
        super().__init__(size, bf16)
        self.networks = {"G_AB": unet(levels_for(size), width), "D_AB": pair_discriminator(width)}
        self.add_adam("D", ("D_AB",))
        self.add_adam("G", ("G_AB",))

    def __call__(self) -> None:
        """Train one step."""
        a, b = self.real_a, self.real_b
        g, d = self.networks.values()
        self.train_only("G")
        with self.autocast():
            fake = g(a)
        self.train_only("D")
        with self.autocast():
            real_logits, fake_logits = d(torch.cat([a, b], 1)), d(torch.cat([a, fake.detach()], 1))
            loss = (cross_entropy(real_logits, 1) + cross_entropy(fake_logits, 0)) / 2
        loss.backward()
        self.optimizers["D"].step()
        self.train_only("G")
        with self.autocast():
            loss = cross_entropy(d(torch.cat([a, fake], 1)), 1) + 100 * l1(fake, b)
        loss.backward()
        self.optimizers["G"].step()


def levels_for(size: int) -> int:
    """Return the number of the U-Net's levels for images of ``size`` pixels: 8, as published, from 256 on."""
    return min(8, size.bit_length() - 1)
