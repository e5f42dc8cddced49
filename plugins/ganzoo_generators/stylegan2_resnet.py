"""The generator ``stylegan2_resnet``: a ResNet of StyleGAN2's layers, as the authors of CUT released it."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated

from pydantic import Field
from torch import Tensor, nn

from ganzoo import GanzooError
from ganzoo_cyclegan.layers import Padding, Width, crop_to, pad_to_stride
from ganzoo_generators.stylegan2_layers import Activation, DemodulatedUp, StyleBlock, equal_conv, halvings


class StyleGAN2ResNet(nn.Module):
    """StyleGAN2's discriminator and generator as encoder and decoder: images (B, in_channels, H, W) in [−1, 1] → same.

    A 1×1 convolution; ``downs`` residual blocks that blur and halve; residual blocks; ``downs`` upsampling
    convolutions with normalized weights and a blur; a 1×1 convolution and tanh. Learning rates are equalized, there are
    no norms. It is the generator ``stylegan2`` of the code of CUT (Park et al. 2020, section 4.5), without its noise,
    and with tanh instead of a leaky ReLU after the last convolution. With the defaults and three channels it has
    8,044,739 parameters. CUT and FastCUT can use it, too.

    Args:
        in_channels: number of channels of the input images.
        out_channels: number of channels of the output images.
        width: number of channels at full size; it doubles at each halving, up to eight times as many.
        downs: number of halvings; 1 in the released code.
        blocks: number of residual blocks at the smallest size, one half in the encoder and one in the decoder.
        padding: border padding of every map but those that are upsampled: ``zero``, as published, ``reflect`` or
            ``replicate``.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        width: Width = 64,
        downs: Annotated[int, Field(ge=1, le=6)] = 2,
        blocks: Annotated[int, Field(ge=0)] = 6,
        padding: Padding = "zero",
    ) -> None:
        super().__init__()
        self.stride = 2**downs
        widths = [width * min(2**level, 8) for level in range(downs + 1)]
        ups = [nn.Sequential(DemodulatedUp(one, two), Activation(two)) for one, two in pairwise(reversed(widths))]
        # One flat sequence: its first layers have the numbers by which CUT's code selects them; 0 is the image.
        self.model = nn.Sequential(
            nn.Identity(),
            nn.Sequential(equal_conv(in_channels, width, 1), Activation(width)),
            *halvings(widths, padding),
            *(StyleBlock(widths[-1], widths[-1], padding) for _ in range(blocks)),
            *ups,
            equal_conv(width, out_channels, 1, bias=True),
            nn.Tanh(),
        )

    def forward(self, images: Tensor) -> Tensor:
        """Return the translations (B, out_channels, H, W) in [−1, 1] of images (B, in_channels, H, W) in [−1, 1]."""
        return crop_to(self.model(pad_to_stride(images, self.stride, min_size=2 * self.stride)), images)

    def features(self, images: Tensor, layers: tuple[int, ...]) -> list[Tensor]:
        """Return the outputs (B, C, h, w) of some layers for images (B, in_channels, H, W).

        Args:
            images: the images; their sides are padded to multiples of 2**downs, at least twice as much.
            layers: numbers of the layers in the sequence ``model``: 0 is the image, 1 the first convolution, 2 the
                first block.

        Raises GanzooError for a number that is not in the sequence, and for no layers.
        """
        if not layers or not 0 <= min(layers) <= max(layers) < len(self.model):
            raise GanzooError(f"stylegan2_resnet has the layers 0 … {len(self.model) - 1}, not {list(layers)}")
        outputs, maps = {}, pad_to_stride(images, self.stride, min_size=2 * self.stride)
        for number, layer in enumerate(self.model[: max(layers) + 1]):
            maps = layer(maps)
            if number in layers:
                outputs[number] = maps
        return [outputs[number] for number in layers]
