"""The generator ``attention``: contents, masks and the input, composed (Tang et al. 2019, scheme II)."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from torch import Tensor, nn

from ganzoo_cyclegan.layers import InstanceNorm, Pad, Width, crop_to, init_weights, pad_to_stride
from ganzoo_cyclegan.resnet import ResidualBlock


class AttentionGenerator(nn.Module):
    """AttentionGAN's generator: translates images (B, in_channels, H, W) of any H and W to (B, out_channels, H, W).

    A ResNet finds n masks, which sum to 1 at each pixel, and n − 1 contents. The translation is the sum of the contents
    times their masks, plus the input times the last mask. Encoder and blocks are those of CycleGAN's ResNet, from which
    a decoder leads to the contents, and another one to the masks. With width 64, 9 blocks, 10 masks and three channels
    it has 11,822,949 parameters.

    If images and translations differ in channels, the input is no content, and the last mask has one of its own.

    Args:
        in_channels: number of channels of the input images.
        out_channels: number of channels of the translations.
        width: number of channels at full size; four times as many in the blocks.
        blocks: number of residual blocks.
        masks: n, the number of masks, that of the input included; 2 is a foreground and a background, as in the paper's
            scheme I.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        width: Width = 64,
        blocks: Annotated[int, Field(ge=0)] = 9,
        masks: Annotated[int, Field(ge=2)] = 10,
    ) -> None:
        super().__init__()
        self.copies = in_channels == out_channels
        contents = masks - self.copies
        self.encoder = nn.Sequential(
            Pad("reflect", 3),
            *_normed(nn.Conv2d(in_channels, width, 7)),
            *_normed(nn.Conv2d(width, 2 * width, 3, 2, padding=1)),
            *_normed(nn.Conv2d(2 * width, 4 * width, 3, 2, padding=1)),
            *(ResidualBlock(4 * width, "instance", "reflect", False) for _ in range(blocks)),
        )
        self.contents = nn.Sequential(
            *_up(width), Pad("reflect", 3), nn.Conv2d(width, contents * out_channels, 7), nn.Tanh()
        )
        self.masks = nn.Sequential(*_up(width), nn.Conv2d(width, masks, 1), nn.Softmax(1))
        init_weights(self)

    def forward(self, images: Tensor) -> Tensor:
        """Return the translations (B, out_channels, H, W) in [−1, 1] of images (B, in_channels, H, W) in [−1, 1]."""
        return self.attend(images)[0]

    def attend(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return translations (B, out_channels, H, W) in [−1, 1], and the foreground (B, 1, H, W) in [0, 1].

        The foreground is 1 minus the input's mask: the share of a translated pixel that is not copied.

        Args:
            images: images (B, in_channels, H, W) in [−1, 1].
        """
        padded = pad_to_stride(images, 4, min_size=8)
        maps = self.encoder(padded)
        masks, contents = self.masks(maps), self.contents(maps)
        shown = masks.shape[1] - self.copies
        layers = contents.unflatten(1, (shown, -1)) * masks[:, :shown, None]
        translated, foreground = layers.sum(1), masks[:, :shown].sum(1, keepdim=True)
        if self.copies:
            translated = translated + padded * masks[:, -1:]
        return crop_to(translated, images), crop_to(foreground, images)


def _normed(conv: nn.Module) -> list[nn.Module]:
    return [conv, InstanceNorm(), nn.ReLU(inplace=True)]


def _up(width: int) -> list[nn.Module]:
    """Return two transposed convolutions, from 4 · width to width channels at four times the size."""
    return [
        layer
        for before in (4 * width, 2 * width)
        for layer in _normed(nn.ConvTranspose2d(before, before // 2, 3, 2, padding=1, output_padding=1))
    ]
