"""The networks of Augmented CycleGAN that the method builds: encoders and discriminators of styles."""

from __future__ import annotations

from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor, nn

from ganzoo import GanzooError
from ganzoo.interfaces import join_channels
from ganzoo_cyclegan.layers import init_weights, pad_to_stride

Norm = Literal["batch", "none"]


class StyleEncoder(nn.Module):
    """The encoder E of a domain's styles: an image of A and one of B → the style (Almahairi et al. 2018, as released).

    ``downs`` 3×3 convolutions of stride 2, one of 4×4 without padding, an average over what is left of the image (one
    pixel for 64 pixels and four halvings) and a linear layer.

    Args:
        channels: number of channels of both images together.
        width: number of channels of the first convolution; it doubles at each one, up to eight times as many.
        downs: number of convolutions of stride 2.
        style: length of a style.
        norm: the norm of all convolutions but the first: ``batch``, as released, or ``none``.
    """

    def __init__(self, channels: int, width: int, downs: int, style: int, norm: Norm) -> None:
        super().__init__()
        self.stride, self.batch_norm = 2**downs, norm == "batch"
        widths = [width * min(2**level, 8) for level in range(downs)]
        layers: list[nn.Module] = [nn.Conv2d(channels, width, 3, 2, 1), nn.ReLU()]
        for before, after in pairwise(widths):
            layers += self.normed(nn.Conv2d(before, after, 3, 2, 1, bias=not self.batch_norm), after)
        last = widths[-1]
        layers += self.normed(nn.Conv2d(last, last, 4, bias=not self.batch_norm), last)
        self.layers = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Conv2d(last, style, 1))
        init_weights(self)

    def normed(self, conv: nn.Conv2d, channels: int) -> list[nn.Module]:
        """Return a convolution with its norm, if there is one, and ReLU."""
        return [conv, *([nn.BatchNorm2d(channels)] if self.batch_norm else []), nn.ReLU()]

    def forward(self, image_a: Tensor, image_b: Tensor) -> Tensor:
        """Return the styles (B, style), in float32 at least, of pairs of images of A and B, (B, C, H, W) each.

        Raises GanzooError for a batch of one image in training with batch norm.
        """
        refuse_single(self, image_a, self.batch_norm)
        pair = join_channels([image_a, image_b.to(image_a)])
        styles: Tensor = self.layers(pad_to_stride(pair, self.stride, min_size=4 * self.stride)).flatten(1)
        return styles.to(torch.promote_types(styles.dtype, torch.float32))


class StyleDiscriminator(nn.Module):
    """The discriminator of styles: a perceptron of four layers with leaky ReLU, styles (B, style) → logits (B, 1).

    Args:
        style: length of a style.
        width: number of units of each hidden layer.
        norm: the norm of the hidden layers: ``batch``, as released, or ``none``.
    """

    def __init__(self, style: int, width: int, norm: Norm) -> None:
        super().__init__()
        self.batch_norm = norm == "batch"
        layers: list[nn.Module] = []
        for before in (style, width, width):
            layers += [nn.Linear(before, width), *([nn.BatchNorm1d(width)] if self.batch_norm else [])]
            layers += [nn.LeakyReLU(0.2)]
        self.layers = nn.Sequential(*layers, nn.Linear(width, 1))

    def forward(self, styles: Tensor) -> Tensor:
        """Return the logits of styles. Raises GanzooError for a single style in training with batch norm."""
        refuse_single(self, styles, self.batch_norm)
        with torch.autocast(styles.device.type, enabled=False):
            logits: Tensor = self.layers(styles.to(next(self.parameters()).dtype))
        return logits


def refuse_single(network: nn.Module, batch: Tensor, batch_norm: bool) -> None:
    """Raise GanzooError if batch norm would have to normalize a batch of one in training."""
    if batch_norm and network.training and len(batch) < 2:
        raise GanzooError("method.norm: batch needs at least 2 images in a batch: raise train.batch, or set norm: none")
