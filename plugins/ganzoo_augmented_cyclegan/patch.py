"""The discriminator ``affine_patch`` of Augmented CycleGAN: a PatchGAN whose instance norms are affine."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from torch import Tensor, nn

from ganzoo import GanzooError
from ganzoo_augmented_cyclegan.layers import AffineInstanceNorm
from ganzoo_cyclegan.layers import LogitConv2d, Width, init_weights


class AffinePatch(nn.Module):
    """A discriminator that gives patches of images (B, in_channels, H, W), or whole small images, logits (B, 1, h, w).

    For patches: ``layers`` 4×4 convolutions of stride 2, two of stride 1 and a last one. For whole images: ``layers``
    3×3 convolutions of stride 2 and a last 4×4 one without padding, which gives one logit for 64 pixels and four
    layers. All but the first and last have affine instance norms (Almahairi et al. 2018, as released: patches for
    shoes, whole images for edges). With three channels it has 1,713,089 parameters with the defaults, and 243,521 with
    width 32, four layers and ``whole``.

    Args:
        in_channels: number of channels of the input.
        width: number of channels of the first layer; it doubles at each layer, up to four times as many.
        layers: number of convolutions of stride 2.
        whole: whether it judges whole images.
    """

    def __init__(
        self,
        in_channels: int,
        *,
        width: Width = 64,
        layers: Annotated[int, Field(ge=1, le=8)] = 2,
        whole: bool = False,
    ) -> None:
        super().__init__()
        self.whole, self.layers = whole, layers
        self.min_size = 4 * 2**layers
        size, strides = (3, [2] * layers) if whole else (4, [2] * layers + [1, 1])
        widths = [width * min(2**layer, 4) for layer in range(len(strides))]
        hidden: list[nn.Module] = [nn.Conv2d(in_channels, width, size, 2, 1), nn.LeakyReLU(0.2)]
        for before, after, stride in zip(widths[:-1], widths[1:], strides[1:], strict=True):
            conv = nn.Conv2d(before, after, size, stride, 1)
            hidden += [conv, AffineInstanceNorm(after), nn.LeakyReLU(0.2)]
        self.model = nn.Sequential(*hidden, LogitConv2d(widths[-1], 1, 4, padding=0 if whole else 1))
        init_weights(self)

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits (B, 1, h, w) of images.

        Raises GanzooError for images with a side below 4 · 2**layers pixels.
        """
        if min(images.shape[-2:]) < self.min_size:
            raise GanzooError(
                f"affine_patch with layers: {self.layers} needs images of at least {self.min_size}×{self.min_size} "
                f"pixels, not {images.shape[-2]}×{images.shape[-1]}: use fewer layers, or larger images"
            )
        logits: Tensor = self.model(images)
        return logits
