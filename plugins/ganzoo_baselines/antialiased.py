"""CUT's generator ``smooth_resnet`` and discriminator ``smooth_patch``: anti-aliased resampling (Zhang 2019)."""

from __future__ import annotations

from typing import Annotated

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from ganzoo import GanzooError
from ganzoo_cyclegan.layers import (
    InstanceNorm,
    LogitConv2d,
    Norm,
    Pad,
    Padding,
    Width,
    crop_to,
    make_norm,
    pad,
    pad_to_stride,
)
from ganzoo_cyclegan.resnet import ResidualBlock

STRIDE = 4
"""Height and width are padded to multiples of this number."""


class BlurDown(nn.Module):
    """A layer that blurs maps with [1, 2, 1] ⊗ [1, 2, 1] / 16, padded at the borders, and halves their size."""

    def __init__(self, padding: Padding = "reflect") -> None:
        super().__init__()
        self.padding = padding

    def forward(self, maps: Tensor) -> Tensor:
        """Return the maps (B, C, ⌈H/2⌉, ⌈W/2⌉) for maps (B, C, H, W) of at least 2×2 pixels."""
        channels = maps.shape[1]
        padded = pad(maps, 1, self.padding)
        precise = padded.to(torch.promote_types(padded.dtype, torch.float32))
        with torch.autocast(maps.device.type, enabled=False):  # on a CPU its backward pass is very slow in bf16
            kernel = _kernel([1, 2, 1], precise).expand(channels, 1, 3, 3)
            return F.conv2d(precise, kernel, stride=2, groups=channels).to(maps.dtype)


class BlurUp(nn.Module):
    """A layer that doubles the size of maps with 4 · [1, 3, 3, 1] ⊗ [1, 3, 3, 1] / 64; their border is repeated.

    This is bilinear interpolation, which torch computes much faster than a transposed convolution with this kernel.
    """

    def forward(self, maps: Tensor) -> Tensor:
        """Return the maps (B, C, 2H, 2W) for maps (B, C, H, W)."""
        return F.interpolate(maps, scale_factor=2, mode="bilinear", align_corners=False)


def _kernel(row: list[float], like: Tensor) -> Tensor:
    """Return the normalized outer product of a row with itself, (1, 1, n, n)."""
    weights = torch.tensor(row, dtype=like.dtype, device=like.device)
    return (weights[:, None] * weights / weights.sum() ** 2)[None, None]


class SmoothResNet(nn.Module):
    """CycleGAN's ResNet with anti-aliased resampling.

    All convolutions have stride 1; ``BlurDown`` follows a convolution, and ``BlurUp`` comes before one. With width 64,
    9 blocks and three channels it has 11,378,179 parameters, as many as CycleGAN's (Park et al. 2020, appendix C.1).

    Args:
        in_channels: number of channels of the input images.
        out_channels: number of channels of the output images.
        width: number of channels at full size; four times as many in the blocks.
        blocks: number of residual blocks.
        norm: the norm after every convolution but the last: ``instance``, ``batch`` or ``none``.
        padding: border padding of the 7×7 convolutions, the blocks and the blurs before halving: ``reflect``,
            ``replicate`` or ``zero``. The other 3×3 convolutions are padded with 0, as published.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        width: Width = 64,
        blocks: Annotated[int, Field(ge=0)] = 9,
        norm: Norm = "instance",
        padding: Padding = "reflect",
    ) -> None:
        super().__init__()

        def normed(before: int, after: int, size: int, zeros: int) -> list[nn.Module]:
            conv = nn.Conv2d(before, after, size, padding=zeros, bias=norm != "batch")
            return [conv, make_norm(norm, after), nn.ReLU()]

        # One flat sequence: a layer has the same number in the authors' checkpoints.
        self.stride = STRIDE
        self.model = nn.Sequential(
            Pad(padding, 3),
            *normed(in_channels, width, 7, 0),
            *normed(width, 2 * width, 3, 1),
            BlurDown(padding),
            *normed(2 * width, 4 * width, 3, 1),
            BlurDown(padding),
            *(ResidualBlock(4 * width, norm, padding, False) for _ in range(blocks)),
            BlurUp(),
            *normed(4 * width, 2 * width, 3, 1),
            BlurUp(),
            *normed(2 * width, width, 3, 1),
            Pad(padding, 3),
            nn.Conv2d(width, out_channels, 7),
            nn.Tanh(),
        )
        init_xavier(self)

    def forward(self, images: Tensor) -> Tensor:
        """Return the translations (B, out_channels, H, W) in [−1, 1] of images (B, in_channels, H, W) in [−1, 1]."""
        return crop_to(self.model(pad_to_stride(images, STRIDE, min_size=2 * STRIDE)), images)

    def features(self, images: Tensor, layers: tuple[int, ...]) -> list[Tensor]:
        """Return the outputs (B, C, h, w) of some layers for images (B, in_channels, H, W).

        Args:
            images: the images; their sides are padded to multiples of 4, at least 8.
            layers: numbers of the layers in the sequence ``model``.

        Raises GanzooError for a number that is not in the sequence, and for no layers.
        """
        if not layers or not 0 <= min(layers) <= max(layers) < len(self.model):
            raise GanzooError(f"smooth_resnet has the layers 0 … {len(self.model) - 1}, not {list(layers)}")
        outputs, maps = {}, pad_to_stride(images, STRIDE, min_size=2 * STRIDE)
        for number, layer in enumerate(self.model[: max(layers) + 1]):
            maps = layer(maps)
            if number in layers:
                outputs[number] = maps
        return [outputs[number] for number in layers]


class SmoothPatch(nn.Module):
    """The PatchGAN discriminator with anti-aliased resampling: 4×4 convolutions of stride 1 and ``BlurDown``.

    ``BlurDown`` follows each of the first ``layers`` convolutions; the last two have none. With three layers, width 64
    and three channels it has 2,764,737 parameters.

    Args:
        in_channels: number of channels of the images.
        width: number of channels of the first layer; it doubles at each layer, up to eight times as many.
        layers: number of halvings.
    """

    def __init__(self, in_channels: int, *, width: Width = 64, layers: Annotated[int, Field(ge=1, le=8)] = 3) -> None:
        super().__init__()
        self.layers = layers
        self.min_size = 4 * 2**layers
        widths = [width * min(2**layer, 8) for layer in range(layers + 1)]
        stack: list[nn.Module] = [nn.Conv2d(in_channels, width, 4, padding=1), nn.LeakyReLU(0.2), BlurDown()]
        for layer in range(1, layers + 1):
            conv = nn.Conv2d(widths[layer - 1], widths[layer], 4, padding=1)
            stack += [conv, InstanceNorm(), nn.LeakyReLU(0.2)]
            if layer < layers:
                stack.append(BlurDown())
        self.model = nn.Sequential(*stack, LogitConv2d(widths[-1], 1, 4, padding=1))
        init_xavier(self)

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits (B, 1, h, w) of images (B, in_channels, H, W).

        Raises GanzooError for images with a side below 4 · 2**layers pixels.
        """
        if min(images.shape[-2:]) < self.min_size:
            raise GanzooError(
                f"smooth_patch with layers: {self.layers} needs images of at least {self.min_size}×{self.min_size} "
                f"pixels, not {images.shape[-2]}×{images.shape[-1]}: use fewer layers, or larger images"
            )
        logits: Tensor = self.model(images)
        return logits


def init_xavier(network: nn.Module) -> None:
    """Initialize a network's convolutions and linear layers in place, as Glorot and Bengio (2010), with a gain of 0.02.

    Batch norms get a scale from N(1, 0.02); biases become 0. Uses torch's global random generator.
    """
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
            nn.init.xavier_normal_(layer.weight, gain=0.02)
        elif isinstance(layer, nn.BatchNorm2d):
            nn.init.normal_(layer.weight, 1.0, 0.02)
        else:
            continue
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)
