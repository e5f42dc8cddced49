"""The discriminator ``patch``: PatchGAN (Isola et al. 2017, section 3.2.2; CycleGAN's appendix 7.2)."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from torch import Tensor, nn

from ganzoo import GanzooError
from ganzoo_cyclegan.layers import LogitConv2d, Norm, Padding, Width, init_weights, make_norm, padding_mode


class Patch(nn.Module):
    """A discriminator that gives each patch of images (B, in_channels, H, W) a logit: a map (B, 1, h, w).

    It has ``layers`` 4×4 convolutions of stride 2, one of stride 1, and a last one of stride 1 that computes the
    logits. With three layers a logit sees 70×70 pixels; with width 64, 3 channels and instance norm there are then
    2,764,737 parameters. h = ⌊H / 2**layers⌋ − 2, or − 1 without the extra layer, and w likewise.

    Args:
        in_channels: number of channels of the input: one image, or several images concatenated.
        width: number of channels of the first layer; it doubles at each layer, up to eight times as many.
        layers: number of convolutions of stride 2.
        norm: the norm after all convolutions but the first and the last: ``instance``, ``batch`` or ``none``.
        padding: border padding of every map: ``zero``, as published, ``reflect`` or ``replicate``.
        extra_layer: whether to include the first convolution of stride 1; Mask CycleGAN's small discriminator (2
            layers, 136,385 parameters) has none.
        average_logits: whether to return the mean of the map, (B, 1, 1, 1): one logit for the whole image.
    """

    def __init__(
        self,
        in_channels: int,
        *,
        width: Width = 64,
        layers: Annotated[int, Field(ge=1, le=8)] = 3,
        norm: Norm = "instance",
        padding: Padding = "zero",
        extra_layer: bool = True,
        average_logits: bool = False,
    ) -> None:
        super().__init__()
        self.layers = layers
        self.min_size = (3 if extra_layer else 2) * 2**layers
        self.average_logits = average_logits
        mode = padding_mode(padding)
        widths = [width * min(2**layer, 8) for layer in range(layers + extra_layer)]
        hidden: list[nn.Module] = []
        for layer in range(1, len(widths)):
            stride = 1 if layer == layers else 2
            conv = nn.Conv2d(widths[layer - 1], widths[layer], 4, stride, 1, bias=norm != "batch", padding_mode=mode)
            hidden += [conv, make_norm(norm, widths[layer]), nn.LeakyReLU(0.2, inplace=True)]
        self.model = nn.Sequential(
            nn.Conv2d(in_channels, width, 4, 2, 1, padding_mode=mode),
            nn.LeakyReLU(0.2, inplace=True),
            *hidden,
            LogitConv2d(widths[-1], 1, 4, padding=1, padding_mode=mode),
        )
        init_weights(self)

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits (B, 1, h, w) of images, or their mean (B, 1, 1, 1) with ``average_logits``.

        Raises GanzooError for images with a side below 3 · 2**layers pixels (2 · 2**layers without the extra layer).
        """
        height, width = images.shape[-2:]
        if min(height, width) < self.min_size:
            raise GanzooError(
                f"patch with layers: {self.layers} needs images of at least {self.min_size}×{self.min_size} pixels, "
                f"not {height}×{width}: use fewer layers, larger images or the discriminator pixel"
            )
        logits: Tensor = self.model(images)
        return logits.mean(dim=(2, 3), keepdim=True) if self.average_logits else logits
