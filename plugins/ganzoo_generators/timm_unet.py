"""The generator ``timm_unet``: a U-Net whose encoder is a network of timm, with pretrained or random weights."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field
from torch import Tensor, nn

from ganzoo.interfaces import join_channels
from ganzoo_cyclegan.layers import (
    Norm,
    Pad,
    Padding,
    Upsample,
    Width,
    crop_to,
    init_weights,
    make_norm,
    pad_to_stride,
    upsampling,
)
from ganzoo_generators.encoder import Encoder


class TimmUNet(nn.Module):
    """A U-Net with a timm encoder: translates images (B, in_channels, H, W) of any H and W, both in [−1, 1].

    The encoder's maps of each size are concatenated to those of the decoder; at full size it is the image itself, so
    that the last layers can keep it. A level of the decoder is an upsampling layer and two 3×3 convolutions with norms
    and ReLU; a 3×3 convolution and tanh follow. The images are normalized as the encoder was trained (Ronneberger et
    al. 2015, with an encoder as in Iglovikov and Shvets 2018). Encoders with batch norm learn its statistics from each
    batch: freeze them, or choose one with layer norm, such as ``convnext_tiny``, for a batch of one image. With the
    defaults and three channels it has 17,078,691 parameters, of which 11,176,512 are the encoder's.

    Args:
        in_channels: number of channels of the input images.
        out_channels: number of channels of the output images.
        model: the name of a timm network whose maps halve from one to the next, with or without a tag of weights.
        pretrained: whether the encoder begins with pretrained weights, by default timm's, which are downloaded once.
        weights: a safetensors file or a torch state dict of the whole network, for ``pretrained``.
        freeze: whether the encoder keeps its weights.
        levels: number of the encoder's maps that are used, from the largest on; 0: all. Images are padded to multiples
            of the smallest map's stride.
        width: number of the decoder's channels at full size; it doubles at each halving, up to eight times as many.
        norm: the decoder's norm: ``instance``, ``batch`` or ``none``.
        padding: border padding of the decoder's convolutions: ``reflect``, ``replicate`` or ``zero``.
        upsample: the upsampling layer: ``resize``, ``pixelshuffle`` or ``deconv``.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        model: str = "resnet18",
        pretrained: bool = True,
        weights: Path | None = None,
        freeze: bool = False,
        levels: Annotated[int, Field(ge=0)] = 0,
        width: Width = 32,
        norm: Norm = "instance",
        padding: Padding = "reflect",
        upsample: Upsample = "resize",
    ) -> None:
        super().__init__()
        self.encoder = Encoder(model, in_channels, weights, trained=pretrained, levels=levels, frozen=freeze)
        self.stride = self.encoder.strides[-1]
        beside = dict(zip(self.encoder.strides, self.encoder.channels, strict=True))
        channels, stages = beside[self.stride], []
        for level in reversed(range(self.stride.bit_length() - 1)):
            skip = beside.get(2**level, 0) + (in_channels if level == 0 else 0)
            after = width * min(2**level, 8)
            stages.append(Stage(channels, skip, after, norm, padding, upsample))
            channels = after
        self.stages = nn.ModuleList(stages)
        self.last = nn.Sequential(Pad(padding, 1), nn.Conv2d(channels, out_channels, 3), nn.Tanh())
        init_weights(self.stages)
        init_weights(self.last)

    def forward(self, images: Tensor) -> Tensor:
        """Return the translations (B, out_channels, H, W) in [−1, 1] of images (B, in_channels, H, W) in [−1, 1]."""
        padded = pad_to_stride(images, self.stride, min_size=2 * self.stride)
        found = dict(zip(self.encoder.strides, self.encoder(padded), strict=True))
        maps, stride = found[self.stride], self.stride
        for stage in self.stages:
            stride //= 2
            beside = [found[stride]] if stride in found else []
            maps = stage(maps, *beside, *([padded] if stride == 1 else []))
        return crop_to(self.last(maps), images)


class Stage(nn.Module):
    """A level of the decoder: upsampling, concatenation with the maps beside it, and two 3×3 convolutions."""

    def __init__(self, before: int, skip: int, after: int, norm: Norm, padding: Padding, upsample: Upsample) -> None:
        super().__init__()
        bias = norm != "batch"

        def normed(conv: nn.Module) -> list[nn.Module]:
            return [conv, make_norm(norm, after), nn.ReLU()]

        self.up = nn.Sequential(
            *normed(
                nn.ConvTranspose2d(before, after, 4, 2, padding=1, bias=bias)
                if upsample == "deconv"
                else upsampling(upsample, before, after, padding, bias=bias)
            )
        )
        self.convs = nn.Sequential(
            Pad(padding, 1),
            *normed(nn.Conv2d(after + skip, after, 3, bias=bias)),
            Pad(padding, 1),
            *normed(nn.Conv2d(after, after, 3, bias=bias)),
        )

    def forward(self, maps: Tensor, *beside: Tensor) -> Tensor:
        """Return maps (B, after, 2H, 2W) for maps (B, before, H, W) and those beside it, (B, Cᵢ, 2H, 2W)."""
        larger = self.up(maps)
        joined: Tensor = self.convs(join_channels([larger, *(one.to(larger.dtype) for one in beside)]))
        return joined
