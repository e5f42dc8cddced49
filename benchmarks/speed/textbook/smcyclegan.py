"""SMCycleGAN's textbook step (Yin 2023, eq. 3, 4 and 7): the discriminators see images times their soft masks."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from benchmarks.speed.textbook.cyclegan import TextbookCycleGAN


class Segmenter(nn.Module):
    """A frozen U-Net (Ronneberger et al. 2015) with padded convolutions and batch norm.

    Args:
        width: number of channels at full size; it doubles at each of four poolings.
    """

    def __init__(self, width: int = 64) -> None:
        super().__init__()
        widths = [width * 2**level for level in range(5)]
        self.normalize = nn.BatchNorm2d(3, affine=False)
        self.down = nn.ModuleList([twice(one, two) for one, two in zip([3, *widths], widths, strict=False)])
        pairs = [(2 * outer, outer) for outer in reversed(widths[:-1])]
        self.up = nn.ModuleList([nn.ConvTranspose2d(inner, outer, 2, 2) for inner, outer in pairs])
        self.merge = nn.ModuleList([twice(inner, outer) for inner, outer in pairs])
        self.head = nn.Conv2d(width, 1, 1)
        self.eval().requires_grad_(False)

    def forward(self, image: Tensor) -> Tensor:
        """Return the probability of foreground, (B, 1, H, W), of images whose sides are multiples of 16."""
        maps, skips = self.normalize(image), []
        for level, convs in enumerate(self.down):
            maps = convs(nn.functional.max_pool2d(maps, 2) if level else maps)
            skips.append(maps)
        for up, merge, skip in zip(self.up, self.merge, reversed(skips[:-1]), strict=True):
            maps = merge(torch.cat([skip, up(maps)], dim=1))
        return torch.sigmoid(self.head(maps).float())


def twice(in_channels: int, out_channels: int) -> nn.Sequential:
    """Return two 3×3 convolutions with batch norm and ReLU."""
    layers: list[nn.Module] = []
    for channels in (in_channels, out_channels):
        conv = nn.Conv2d(channels, out_channels, 3, padding=1, bias=False)
        layers += [conv, nn.BatchNorm2d(out_channels), nn.ReLU()]
    return nn.Sequential(*layers)


class TextbookSMCycleGAN(TextbookCycleGAN):
    """CycleGAN's step with masked images for the discriminators, in every step; masks get no gradient.

    Args:
        size: side of the images, in pixels: a multiple of 16.
        bf16: whether the networks run under autocast in bf16.
        width: number of channels of the first layer of each network, except the segmenter.
    """

    def __init__(self, size: int, *, bf16: bool = False, width: int = 64) -> None:
        super().__init__(size, bf16=bf16, width=width, seen=self.masked)
        self.segmenter = Segmenter()

    def masked(self, image: Tensor) -> Tensor:
        """Return an image times its mask: what is masked out becomes 0, grey."""
        with torch.no_grad():
            mask = self.segmenter(image)
        return image * mask
