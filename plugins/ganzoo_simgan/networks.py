"""SimGAN's networks: the generator ``refiner`` and the discriminator ``local_patch``."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field
from torch import Tensor, nn

from ganzoo_cyclegan.layers import LogitConv2d, Width
from ganzoo_munit.layers import init_kaiming


class Refiner(nn.Module):
    """The refiner R: images (B, in_channels, H, W) → (B, out_channels, H, W) in [−1, 1], without any change of size.

    A convolution, residual blocks at full size, a 1×1 convolution and tanh, without norms (Shrivastava et al. 2017,
    section 3.1). With the defaults and one channel it has 296,129 parameters.

    Args:
        in_channels: number of channels of the input images.
        out_channels: number of channels of the output images.
        width: number of channels of the blocks.
        blocks: number of residual blocks: 4 for the paper's eyes of 55×35 pixels, 10 for its hands of 224×224.
        kernel: side of the first convolution's kernel: 3 for eyes, 7 for hands.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        width: Width = 64,
        blocks: Annotated[int, Field(ge=0)] = 4,
        kernel: Literal[3, 5, 7] = 3,
    ) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(in_channels, width, kernel, padding=kernel // 2),
            nn.ReLU(),
            *(RefinerBlock(width) for _ in range(blocks)),
            nn.Conv2d(width, out_channels, 1),
            nn.Tanh(),
        )
        init_kaiming(self)

    def forward(self, images: Tensor) -> Tensor:
        """Return the refined images (B, out_channels, H, W) in [−1, 1]."""
        refined: Tensor = self.layers(images)
        return refined


class RefinerBlock(nn.Module):
    """A residual block, ReLU(x + conv(ReLU(conv(x)))), of two 3×3 convolutions."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.convs = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=1), nn.ReLU(), nn.Conv2d(channels, channels, 3, padding=1)
        )

    def forward(self, maps: Tensor) -> Tensor:
        """Return maps of the same shape (B, channels, H, W)."""
        output: Tensor = (maps + self.convs(maps)).relu()
        return output


class LocalPatch(nn.Module):
    """The discriminator D: images (B, in_channels, H, W) → a map of logits of local patches, (B, 1, ⌈H/4⌉, ⌈W/4⌉).

    Two 3×3 convolutions of stride 2, a 3×3 maximum of stride 1, a 3×3 and two 1×1 convolutions, with ReLU (Shrivastava
    et al. 2017, section 3.1). The paper's last layer gives two numbers for a softmax; one logit is the same. With the
    defaults and one channel it has 75,873 parameters.

    Args:
        in_channels: number of channels of the input.
        width: number of channels of the first layer; the second has two thirds of it, the others one third.
    """

    def __init__(self, in_channels: int, *, width: Width = 96) -> None:
        super().__init__()
        second, third = max(1, 2 * width // 3), max(1, width // 3)
        self.layers = nn.Sequential(
            nn.Conv2d(in_channels, width, 3, 2, 1),
            nn.ReLU(),
            nn.Conv2d(width, second, 3, 2, 1),
            nn.ReLU(),
            nn.MaxPool2d(3, 1, 1),
            nn.Conv2d(second, third, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(third, third, 1),
            nn.ReLU(),
            LogitConv2d(third, 1, 1),
        )
        init_kaiming(self)

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits (B, 1, ⌈H/4⌉, ⌈W/4⌉) of images."""
        logits: Tensor = self.layers(images)
        return logits
